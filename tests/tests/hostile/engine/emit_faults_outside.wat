;; Its faults about emit lie beyond its memory.
;; => MalformedAnswer: 9 records at 0x3ff00 lie outside its memory

(data (i32.const 0x800) (i32 0x3ff00 9))
