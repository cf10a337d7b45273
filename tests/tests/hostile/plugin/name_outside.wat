;; Its name lies beyond its memory.
;; => MalformedAnswer: 7 bytes at 0xffffff00 lie outside its memory

(data (i32.const 0x408) (i32 0xffffff00 7))
