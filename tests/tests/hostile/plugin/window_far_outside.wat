;; Claims a window at the end of the address space.
;; => Window: byte 0xffffffffffffffff of section .text

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 4) (i64 -1))
