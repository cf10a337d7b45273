;; Its row's window begins before the section does.
;; => Window: changed byte

;; A row's windows: width, order, rule, bits, align, window_align, window_start, window_len
(data (i32.const 0x560) (i8 4 1 1 32 0 0 -128 4))
(data (i32.const 0x598) (i8 4 1 1 32 0 0 -128 4))
