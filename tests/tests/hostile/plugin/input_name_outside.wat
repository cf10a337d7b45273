;; The name of an input lies beyond its memory.
;; => MalformedAnswer: 16 bytes at 0xffffff00 lie outside its memory

(data (i32.const 0x430) (i32 0x800 1))
(data (i32.const 0x800) (i32 0xffffff00 16) (i64 0))
