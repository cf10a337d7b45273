;; It has so many versions that their size overflows.
;; => MalformedAnswer: 4294967295 records at 0x500 lie outside its memory

(data (i32.const 0x440) (i32 0x500 -1))
