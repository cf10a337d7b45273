;; A modinfo value lies beyond the file.
;; => MalformedAnswer: modinfo of the module is out of bounds

(data (i32.const 0x7a8) (i32 126 3))
