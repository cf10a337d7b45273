;; Its faults lie beyond its memory.
;; => MalformedAnswer: 1 records at 0xfffffff0 lie outside its memory

(data (i32.const 0x400) (i32 0xfffffff0 1))
