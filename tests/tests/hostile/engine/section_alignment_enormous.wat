;; An allocated section is aligned to 2^63.
;; => MalformedAnswer: a section's alignment of the module is out of bounds

(data (i32.const 0x548) (i64 0x8000000000000000))
