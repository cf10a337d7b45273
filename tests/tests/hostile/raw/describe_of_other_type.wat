;; Wants something to describe itself.
;; => Unusable: it does not export a proper "relobox_describe"

(module
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1))
  (func (export "relobox_reserve") (param i32) (result i32) (i32.const 0))
  (func (export "relobox_describe") (param i32) (result i32) (i32.const 0)))
