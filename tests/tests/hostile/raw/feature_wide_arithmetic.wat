;; Uses wide arithmetic.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1))
  (func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1))))
