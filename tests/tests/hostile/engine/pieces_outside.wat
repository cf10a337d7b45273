;; The list of pieces that it wrote lies beyond its memory.
;; => MalformedAnswer: 4 records at 0x3fff0 lie outside its memory

(data (i32.const 0x808) (i32 0x3fff0 4))
