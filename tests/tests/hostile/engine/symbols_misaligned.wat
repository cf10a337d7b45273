;; Its symbols are not aligned.
;; => MalformedAnswer: a table at 0x1004 is not aligned

(data (i32.const 0x418) (i32 0x1004 1))
