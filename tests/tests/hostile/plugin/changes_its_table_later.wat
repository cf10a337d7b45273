;; Widens the windows of its rows after it has described itself.
;; => OutOfWindowWrite: changed byte 0x7 of section .text

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store8 (i32.const 0x567) (i32.const 32))
  (i32.store8 (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 7)) (i32.const 0x77))
  (i32.const 0x740))
