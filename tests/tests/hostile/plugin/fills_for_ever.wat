;; Fills all of its memory again and again with one instruction: that costs fuel by the byte, or time without end.
;; => Fuel: in relobox_plan

(func (export "relobox_plan") (param $job i32) (result i32)
  (loop $again
    (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
    (br $again))
  (unreachable))
