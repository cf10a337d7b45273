;; Claims a window, and changes the byte behind it.
;; => OutOfWindowWrite: changed byte 0x1f of section .text

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 3) (i64 28))

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store8 (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 31)) (i32.const 0x77))
  (i32.const 0x740))
