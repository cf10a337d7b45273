;; Wants a section of 2^60 bytes.
;; => MalformedAnswer: its plan requests an enormous section

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x800 1))
(data (i32.const 0x800) (i64 0 0x1000000000000000 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))
