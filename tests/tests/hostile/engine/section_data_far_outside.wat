;; A section's contents begin at the end of the address space.
;; => MalformedAnswer: a section of the module is out of bounds

(data (i32.const 0x558) (i32 -16 32))
