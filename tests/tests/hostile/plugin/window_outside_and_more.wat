;; Claims a window beyond its section, and changes the last byte of that.
;; => OutOfWindowWrite: changed byte 0x1f of section .text

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 4) (i64 0x20))

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store8 (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 31)) (i32.const 0x77))
  (i32.const 0x740))
