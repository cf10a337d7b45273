;; A section's contents lie beyond the file.
;; => MalformedAnswer: a section of the module is out of bounds

(data (i32.const 0x558) (i32 100 32))
