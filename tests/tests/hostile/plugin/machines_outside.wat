;; Its machines lie beyond its memory.
;; => MalformedAnswer: 1 records at 0x3fff8 lie outside its memory

(data (i32.const 0x420) (i32 0x3fff8 1))
