;; Imports a number.
;; => Imports: imports "env.base"

(module
  (import "env" "base" (global i32))
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1)))
