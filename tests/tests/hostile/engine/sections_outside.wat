;; Its sections lie beyond its memory.
;; => MalformedAnswer: 4096 records at 0x3fff0 lie outside its memory

(data (i32.const 0x410) (i32 0x3fff0 4096))
