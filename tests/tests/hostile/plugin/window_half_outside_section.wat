;; Claims a window that ends beyond its section.
;; => Window: byte 0x1e of section .text

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 4) (i64 0x1e))
