;; Wants a section whose contents are the record that wants it: the host writes the address into it before apply.
;; => links

(data (i32.const 0x708) (i32 0x800 1))
(data (i32.const 0x800) (i64 0 56 8) (i32 0x600 7 2 0 -1 0x800) (i64 0))
