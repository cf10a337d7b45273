;; .bss has 2^60 bytes.
;; => MalformedAnswer: a section of the module is out of bounds

(data (i32.const 0x578) (i64 0x1000000000000000))
