;; Claims so many windows that their size overflows.
;; => MalformedAnswer: 4294967295 records at 0x800 lie outside its memory

(data (i32.const 0x718) (i32 0x800 -1))
