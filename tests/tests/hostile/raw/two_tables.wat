;; Has two tables, which is another feature.
;; => Unusable: 

(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (table 1 funcref)
  (func (export "relobox_abi") (result i32) (i32.const 2)))
