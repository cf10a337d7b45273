;; Has its job written over its description and its plan: the description was read before, the plan is what it
;; finds there.
;; => MalformedAnswer: is not aligned

(func (export "relobox_reserve") (param $bytes i32) (result i32) (i32.const 0x400))
