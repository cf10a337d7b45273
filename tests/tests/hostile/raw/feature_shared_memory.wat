;; Shares its memory.
;; => Unusable: 

(module
  (memory (export "memory") 1 1 shared)
  (func (export "relobox_abi") (result i32) (i32.const 1)))
