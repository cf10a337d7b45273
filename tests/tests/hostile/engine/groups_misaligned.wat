;; Its groups are not aligned.
;; => MalformedAnswer: a table at 0x1002 is not aligned

(data (i32.const 0x420) (i32 0x1002 1))
