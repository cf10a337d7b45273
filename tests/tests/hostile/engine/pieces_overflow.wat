;; It wrote so many pieces that their size overflows.
;; => MalformedAnswer: 4294967295 records at 0x810 lie outside its memory

(data (i32.const 0x808) (i32 0x810 -1))
