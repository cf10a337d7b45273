;; The file's byte order is 3.
;; => MalformedAnswer: the header of the module is out of bounds

(data (i32.const 0x40b) (i8 3))
