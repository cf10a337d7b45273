;; Two groups have the same relocations, and so each would be done twice.
;; => MalformedAnswer: a group of relocations of the module is out of bounds

(data (i32.const 0x420) (i32 0x1000 2))
(data (i32.const 0x1000) (i32 1 0 2 0 0 0) (i32 1 0 2 0 0 0))
