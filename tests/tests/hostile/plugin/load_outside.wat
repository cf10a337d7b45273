;; Reads beyond its memory.
;; => Trap: trapped in relobox_plan: wasm trap: out of bounds memory access

(func (export "relobox_plan") (param $job i32) (result i32)
  (i32.load (i32.const -4)))
