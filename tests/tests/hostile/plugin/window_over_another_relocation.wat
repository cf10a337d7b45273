;; Claims the field of the next relocation as a window.
;; => links

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 4) (i64 8))
