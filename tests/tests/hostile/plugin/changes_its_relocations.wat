;; Moves the first relocation in its own job to the start of the section, and changes bytes there.
;; => OutOfWindowWrite: changed byte 0x0 of section .text

(func (export "relobox_apply") (param $job i32) (result i32)
  (i64.store (i32.add (local.get $job) (i32.load offset=40 (local.get $job))) (i64.const 0))
  (i32.store8 (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 0)) (i32.const 0x77))
  (i32.const 0x740))
