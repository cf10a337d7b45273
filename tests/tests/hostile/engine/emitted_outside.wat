;; The file that it wrote lies beyond its memory.
;; => MalformedAnswer: 16 bytes at 0xfffffff8 lie outside its memory

(data (i32.const 0x810) (i32 -8 16))
