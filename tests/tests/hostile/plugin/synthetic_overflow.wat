;; Wants so many sections that their size overflows.
;; => MalformedAnswer: 4294967295 records at 0x800 lie outside its memory

;; address, size, align, name, kind, placement, section, contents, reserved
(data (i32.const 0x708) (i32 0x800 -1))
(data (i32.const 0x800) (i64 0 8 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))
