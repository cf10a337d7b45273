;; Wants a section after one that does not exist.
;; => MalformedAnswer: its plan requests a section that cannot be placed

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x800 1))
(data (i32.const 0x800) (i64 0 8 8) (i32 0x600 7 2 2 1000 0x900) (i64 0))
