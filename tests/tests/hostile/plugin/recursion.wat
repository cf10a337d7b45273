;; Calls itself for ever.
;; => Trap: trapped in relobox_plan: wasm trap: call stack exhausted

(func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))

(func (export "relobox_plan") (param $job i32) (result i32)
  (call $deeper (local.get $job)))
