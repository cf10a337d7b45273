;; Changes its own section records, so that another place would be read back.
;; => OutOfWindowWrite: changed byte 0x0 of section .text

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store offset=88 (i32.add (local.get $job) (i32.load offset=16 (local.get $job))) (i32.const 8))
  (i32.store8 (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 0)) (i32.const 0x77))
  (i32.const 0x740))
