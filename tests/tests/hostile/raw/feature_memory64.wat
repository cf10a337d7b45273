;; Has a memory of 64 bits.
;; => Unusable: 

(module
  (memory (export "memory") i64 1)
  (func (export "relobox_abi") (result i32) (i32.const 1)))
