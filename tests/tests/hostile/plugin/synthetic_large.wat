;; Wants a section that is larger than its relocations can need.
;; => MalformedAnswer: its plan requests more bytes than its relocations can need

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x800 1))
(data (i32.const 0x800) (i64 0 0x10000 8) (i32 0x600 7 2 0 -1 0x10000) (i64 0))
