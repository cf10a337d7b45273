;; Imports its memory.
;; => Imports: imports "env.memory"

(module
  (import "env" "memory" (memory 1))
  (export "memory" (memory 0))
  (func (export "relobox_abi") (result i32) (i32.const 1)))
