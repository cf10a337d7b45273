;; Grows its memory for ever.
;; => Fuel: units) in relobox_plan

(func (export "relobox_plan") (param $job i32) (result i32)
  (loop $more (drop (memory.grow (i32.const 16))) (br $more)) (unreachable))
