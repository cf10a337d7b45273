;; Wants a section whose name lies beyond its memory.
;; => MalformedAnswer: 7 bytes at 0xffffff00 lie outside its memory

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x800 1))
(data (i32.const 0x800) (i64 0 8 8) (i32 0xffffff00 7 2 0 -1 0x900) (i64 0))
