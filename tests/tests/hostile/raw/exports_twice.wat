;; Exports two things by one name.
;; => Unusable: duplicate export name

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 2))
  (func (export "relobox_abi") (result i32) (i32.const 1)))
