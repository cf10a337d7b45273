;; Its row's window is the 255 bytes after the relocation, and it changes the byte before.
;; => OutOfWindowWrite: changed byte 0x2 of section .text

;; A row's windows: width, order, rule, bits, align, window_align, window_start, window_len
(data (i32.const 0x560) (i8 4 1 1 32 0 0 0 255))
(data (i32.const 0x598) (i8 4 1 1 32 0 0 0 255))

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store8 (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 2)) (i32.const 0x77))
  (i32.const 0x740))
