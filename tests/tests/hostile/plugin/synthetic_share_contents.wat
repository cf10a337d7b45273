;; Wants two sections with the same contents: each is copied by itself.
;; => links

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x800 2))
(data (i32.const 0x800) (i64 0 8 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))
(data (i32.const 0x838) (i64 0 8 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))
