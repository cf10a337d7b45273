;; The file that it wrote is its whole memory, 1000 times.
;; => MalformedAnswer: its file has 262144000 bytes, more than it could hold

(data (i32.const 0x808) (i32 0x1000 1000))

(func (export "relobox_emit") (param i32) (result i32)
  (local $at i32)
  (local.set $at (i32.const 0x1000))
  (loop $more
    (i32.store offset=4 (local.get $at) (i32.const 0x40000))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 0x2f40))))
  (i32.const 0x800))
