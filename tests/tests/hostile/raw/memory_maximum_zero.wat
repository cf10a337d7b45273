;; Its memory has no byte and may never have one.
;; => MalformedAnswer: lie outside its memory

(module
  (memory (export "memory") 0 0)
  (func (export "relobox_abi") (result i32) (i32.const 2))
  (func (export "relobox_describe") (result i32) (i32.const 0)))
