;; What it exports as memory is a number.
;; => Unusable: it does not export "memory"

(module
  (global (export "memory") i32 (i32.const 1))
  (func (export "relobox_abi") (result i32) (i32.const 1)))
