;; Finds a fault of a kind that nobody knows.
;; => Module: and that is all

(data (i32.const 0x700) (i32 0x800 1))
(data (i32.const 0x800) (i32 4711 -1 -1 -1) (i64 0 0 0 0) (i32 0x900 15) (i64 0))
(data (i32.const 0x900) "and that is all")
