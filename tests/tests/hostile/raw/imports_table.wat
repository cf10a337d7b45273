;; Imports a table.
;; => Imports: imports "env.table"

(module
  (import "env" "table" (table 1 funcref))
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1)))
