;; Changes a byte of a section after the one that it patches last: .data, behind its first pointer.
;; => OutOfWindowWrite: changed byte 0x8 of section .data

(func (export "relobox_apply") (param $job i32) (result i32)
  (local $at i32)
  (local.set $at (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 40)))
  (i32.store8 (local.get $at) (i32.xor (i32.load8_u (local.get $at)) (i32.const 0x55)))
  (i32.const 0x740))
