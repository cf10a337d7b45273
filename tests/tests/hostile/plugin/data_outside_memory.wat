;; Its data does not fit its memory.
;; => Trap: trapped in start

(data (i32.const 0x3ffff) "too long")
