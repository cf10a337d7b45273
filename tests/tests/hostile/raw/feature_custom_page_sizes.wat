;; Has pages of one byte.
;; => Unusable: 

(module
  (memory (export "memory") 1 (pagesize 1))
  (func (export "relobox_abi") (result i32) (i32.const 1)))
