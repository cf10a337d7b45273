;; Wants two sections whose contents overlap by half.
;; => links

(data (i32.const 0x708) (i32 0x800 2))
(data (i32.const 0x800) (i64 0 8 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))
(data (i32.const 0x838) (i64 0 8 8) (i32 0x600 7 1 0 -1 0x904) (i64 0))
