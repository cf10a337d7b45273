;; Returns two numbers.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1))
  (func (result i32 i32) (i32.const 1) (i32.const 2)))
