;; One of its types is not within its own mask.
;; => MalformedAnswer: row 11 of its table is invalid

(data (i32.const 0x404) (i32 7))
