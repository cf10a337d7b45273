;; Supplies the same symbol 100,000 times, to a long name each time.
;; => MalformedAnswer: its plan supplies more symbols than there are

(data (i32.const 0x720) (i32 0x100000 100000))

(func (export "relobox_plan") (param $job i32) (result i32)
  (local $i i32) (local $s i32) (local $at i32)
  (drop (memory.grow (i32.const 96)))
  (local.set $i (i32.const 1))
  (loop $next
    (local.set $s (i32.add (i32.add (local.get $job) (i32.load offset=24 (local.get $job))) (i32.mul (local.get $i) (i32.const 40))))
    (if (i32.eqz (i32.and (i32.load16_u offset=30 (local.get $s)) (i32.const 1)))
      (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))))
  (local.set $at (i32.const 0x100000))
  (loop $more
    (i32.store (local.get $at) (local.get $i))
    (i32.store offset=4 (local.get $at) (i32.const 4))
    (i32.store offset=28 (local.get $at) (i32.const 1000))
    (local.set $at (i32.add (local.get $at) (i32.const 32)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 0x410000))))
  (i32.const 0x700))
