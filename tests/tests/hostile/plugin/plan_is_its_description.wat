;; Answers plan with its description.
;; => MalformedAnswer: lie outside its memory

(func (export "relobox_plan") (param $job i32) (result i32) (i32.const 0x400))
