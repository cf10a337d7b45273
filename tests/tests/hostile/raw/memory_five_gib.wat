;; Wants more than 32 bits can address.
;; => Unusable: memory size must be at most

(module
  (memory (export "memory") 81920)
  (func (export "relobox_abi") (result i32) (i32.const 2)))
