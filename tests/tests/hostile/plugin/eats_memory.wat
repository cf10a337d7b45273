;; Grows its memory until it gets no more, and gives up.
;; => Memory: has no room for

(func (export "relobox_plan") (param $job i32) (result i32)
  (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable))
