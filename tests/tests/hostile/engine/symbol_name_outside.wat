;; A symbol's name lies beyond the file.
;; => MalformedAnswer: a symbol of the module is out of bounds

(data (i32.const 0x638) (i32 127 2))
