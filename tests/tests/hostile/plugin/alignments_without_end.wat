;; Raises the alignment of one section 200,000 times.
;; => links

(data (i32.const 0x710) (i32 0x100000 200000))

(func (export "relobox_plan") (param $job i32) (result i32)
  (local $at i32)
  (drop (memory.grow (i32.const 70)))
  (local.set $at (i32.const 0x100000))
  (loop $more
    (i32.store (local.get $at) (i32.const 1))
    (i64.store offset=8 (local.get $at) (i64.const 16))
    (local.set $at (i32.add (local.get $at) (i32.const 16)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 0x40d400))))
  (i32.const 0x700))
