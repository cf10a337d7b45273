;; A section's name lies beyond the file.
;; => MalformedAnswer: a section of the module is out of bounds

(data (i32.const 0x560) (i32 120 9))
