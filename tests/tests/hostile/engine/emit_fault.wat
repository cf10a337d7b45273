;; It cannot write the file, and says so.
;; => Module: out of ink

(data (i32.const 0x800) (i32 0x840 1))
(data (i32.const 0x840) (i32 12 -1 -1 -1) (i64 0 0 0 0) (i32 0x1000 10) (i64 0))
(data (i32.const 0x1000) "out of ink")
