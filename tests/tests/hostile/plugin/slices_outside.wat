;; The slices of a row lie beyond its memory.
;; => MalformedAnswer: 16 records at 0x3fff0 lie outside its memory

(data (i32.const 0x520) (i32 0x3fff0 16))
