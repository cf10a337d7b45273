;; Its table has indices of 64 bits.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (table i64 1 funcref)
  (func (export "relobox_abi") (result i32) (i32.const 2)))
