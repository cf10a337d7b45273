;; The list of pieces that it wrote is not aligned.
;; => MalformedAnswer: a table at 0x1002 is not aligned

(data (i32.const 0x808) (i32 0x1002 1))
