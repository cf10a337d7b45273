;; What it exports as memory is a function.
;; => Unusable: it does not export "memory"

(module
  (func (export "memory") (result i32) (i32.const 1))
  (func (export "relobox_abi") (result i32) (i32.const 1)))
