;; The file's class is 16.
;; => MalformedAnswer: the header of the module is out of bounds

(data (i32.const 0x40a) (i8 16))
