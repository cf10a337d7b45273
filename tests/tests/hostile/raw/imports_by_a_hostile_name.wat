;; Imports something by a name that would take over a terminal.
;; => Imports: imports "env.

(module
  (import "env" "\1b[2J\n\e2\80\ae" (func))
  (memory (export "memory") 1))
