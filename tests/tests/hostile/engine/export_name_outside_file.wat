;; An export's name lies beyond the file.
;; => MalformedAnswer: an export of the module is out of bounds

(data (i32.const 0x7c0) (i32 -1 3))
