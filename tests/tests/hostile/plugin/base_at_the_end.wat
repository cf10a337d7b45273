;; Says that modules belong at the very end of the address space.
;; => links

(data (i32.const 0x490) (i64 -1))
