;; Its rows are not aligned.
;; => MalformedAnswer: a table at 0x501 is not aligned

(data (i32.const 0x428) (i32 0x501 1))
