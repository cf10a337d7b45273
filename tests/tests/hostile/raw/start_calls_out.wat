;; Its start function is imported.
;; => Imports: imports "env.start"

(module
  (import "env" "start" (func $start))
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 2))
  (start $start))
