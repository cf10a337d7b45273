;; A group leaves out a relocation.
;; => MalformedAnswer: a group of relocations of the module is out of bounds

(data (i32.const 0x704) (i32 1 1))
