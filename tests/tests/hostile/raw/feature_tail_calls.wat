;; Uses tail calls.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1))
  (func $f (result i32) (return_call $f)))
