;; A section is longer than its contents.
;; => MalformedAnswer: a section's size of the module is out of bounds

(data (i32.const 0x540) (i64 64))
