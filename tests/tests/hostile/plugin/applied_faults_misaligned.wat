;; Its faults are not aligned.
;; => MalformedAnswer: a table at 0x804 is not aligned

(data (i32.const 0x740) (i32 0x804 1))
