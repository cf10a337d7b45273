;; An export's namespace lies beyond the file.
;; => MalformedAnswer: an export of the module is out of bounds

(data (i32.const 0x7c8) (i32 128 1))
