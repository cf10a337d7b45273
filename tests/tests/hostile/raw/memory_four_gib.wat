;; Wants all that 32 bits can address.
;; => Unusable: memory

(module
  (memory (export "memory") 65536)
  (func (export "relobox_abi") (result i32) (i32.const 1)))
