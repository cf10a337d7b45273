;; Fills its own job with ones, but for the bytes it may patch: its own affair.
;; => links

(func (export "relobox_apply") (param $job i32) (result i32)
  (memory.fill (local.get $job) (i32.const 255) (i32.load offset=72 (local.get $job)))
  (i32.const 0x740))
