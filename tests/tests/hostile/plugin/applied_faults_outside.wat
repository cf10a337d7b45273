;; Finds faults beyond its memory.
;; => MalformedAnswer: 2 records at 0x3ffc0 lie outside its memory

(data (i32.const 0x740) (i32 0x3ffc0 2))
