;; Finds a fault of a relocation, section and symbol that do not exist, in words that do not either.
;; => Module: sample.ko

(data (i32.const 0x700) (i32 0x800 1))
(data (i32.const 0x800) (i32 12 999 999 999) (i64 -1 -1 -1 -1) (i32 -1 -1) (i64 0))
