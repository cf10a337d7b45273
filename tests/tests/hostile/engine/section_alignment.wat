;; A section's alignment is 24.
;; => MalformedAnswer: a section of the module is out of bounds

(data (i32.const 0x548) (i64 24))
