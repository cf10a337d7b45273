;; Finds a fault in words that would take over a terminal.
;; => Module: \u{1b}[2J

(data (i32.const 0x700) (i32 0x800 1))
(data (i32.const 0x800) (i32 12 -1 -1 -1) (i64 0 0 0 0) (i32 0x900 4) (i64 0))
(data (i32.const 0x900) "\1b[2J")
