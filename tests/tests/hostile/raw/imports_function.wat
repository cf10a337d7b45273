;; Imports a function.
;; => Imports: imports "env.printk": a guest may import nothing

(module
  (import "env" "printk" (func (param i32)))
  (memory (export "memory") 1)
  (func (export "relobox_abi") (result i32) (i32.const 1)))
