;; An export is a symbol that does not exist.
;; => MalformedAnswer: an export of the module is out of bounds

(data (i32.const 0x7d0) (i32 3))
