;; The most that its memory may have is less than what it begins with.
;; => Unusable: size minimum must not be greater than maximum

(module
  (memory (export "memory") 2 1)
  (func (export "relobox_abi") (result i32) (i32.const 2)))
