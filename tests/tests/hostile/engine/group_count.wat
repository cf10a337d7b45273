;; A group has more relocations than there are.
;; => MalformedAnswer: a group of relocations of the module is out of bounds

(data (i32.const 0x708) (i32 3))
