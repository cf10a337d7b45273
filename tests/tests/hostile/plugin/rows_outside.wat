;; Its rows lie beyond its memory.
;; => MalformedAnswer: 4 records at 0x3ffc0 lie outside its memory

(data (i32.const 0x428) (i32 0x3ffc0 4))
