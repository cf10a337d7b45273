;; Claims a window beyond its section: nothing of it is there.
;; => links

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 4) (i64 0x20))
