;; A fault of a section that does not exist, in words that do not either.
;; => Module: #999

(data (i32.const 0x400) (i32 0x840 1))

(data (i32.const 0x840) (i32 64 999 999 999) (i64 -1 -1 -1 -1) (i32 -1 -1) (i64 0))
