;; Wants a section of a kind that does not exist.
;; => MalformedAnswer: its plan requests a section of an unknown kind

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x800 1))
(data (i32.const 0x800) (i64 0 8 8) (i32 0x600 7 9 0 -1 0x900) (i64 0))
