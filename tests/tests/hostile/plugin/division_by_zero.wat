;; Divides by zero.
;; => Trap: trapped in relobox_plan: wasm trap: integer divide by zero

(func (export "relobox_plan") (param $job i32) (result i32)
  (i32.div_u (local.get $job) (i32.const 0)))
