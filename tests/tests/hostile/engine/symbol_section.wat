;; A symbol is in a section that does not exist.
;; => MalformedAnswer: a symbol of the module is out of bounds

(data (i32.const 0x640) (i32 3))
