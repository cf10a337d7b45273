;; Wants more sections than there may be.
;; => MalformedAnswer: its plan requests too many sections

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x10000 4097))
(data (i32.const 0x800) (i64 0 8 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))

(memory (export "memory") 8)
