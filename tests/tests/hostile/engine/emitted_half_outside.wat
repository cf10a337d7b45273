;; The file that it wrote ends beyond its memory.
;; => MalformedAnswer: 4294967295 bytes at 0x820 lie outside its memory

(data (i32.const 0x810) (i32 0x820 -1))
