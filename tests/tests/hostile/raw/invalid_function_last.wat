;; Its last function is not valid: none is compiled.
;; => Unusable: type mismatch

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 2))
  (func (result i32) (i32.add (i32.const 1) (i64.const 1))))
