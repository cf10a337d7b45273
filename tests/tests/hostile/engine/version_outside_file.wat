;; A version's name lies beyond the file.
;; => MalformedAnswer: a version of the module is out of bounds

(data (i32.const 0x7e0) (i32 120 64))
