;; Uses atomic operations.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1))
  (func (result i32) (i32.atomic.load (i32.const 0))))
