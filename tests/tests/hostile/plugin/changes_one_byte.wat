;; Changes one byte of what it may patch; which one is a number from the kernel, by default the first.
;; => OutOfWindowWrite: changed byte 0x0 of section .text

(data (i32.const 0x430) (i32 0x800 1))
(data (i32.const 0x800) (i32 0x810 2) (i64 0))
(data (i32.const 0x810) "at")

(func (export "relobox_apply") (param $job i32) (result i32)
  (local $at i32)
  (local.set $at (i32.add
    (i32.add (local.get $job) (i32.load offset=72 (local.get $job)))
    (i32.load offset=8 (i32.add (local.get $job) (i32.load offset=56 (local.get $job))))))
  (i32.store8 (local.get $at) (i32.xor (i32.load8_u (local.get $at)) (i32.const 0x55)))
  (i32.const 0x740))
