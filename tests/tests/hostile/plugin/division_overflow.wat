;; Divides the smallest number by -1.
;; => Trap: trapped in relobox_plan: wasm trap: integer overflow

(func (export "relobox_plan") (param $job i32) (result i32)
  (i32.div_s (i32.const 0x80000000) (i32.const -1)))
