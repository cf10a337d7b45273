;; It has so many exports that their size overflows.
;; => MalformedAnswer: 4294967295 records at 0x500 lie outside its memory

(data (i32.const 0x438) (i32 0x500 -1))
