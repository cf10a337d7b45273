;; A group patches a section that does not exist.
;; => MalformedAnswer: a group of relocations of the module is out of bounds

(data (i32.const 0x700) (i32 3))
