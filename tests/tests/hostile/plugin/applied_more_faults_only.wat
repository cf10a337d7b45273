;; Says that there are more faults than none.
;; => MalformedAnswer: more faults

(data (i32.const 0x748) (i32 5))
