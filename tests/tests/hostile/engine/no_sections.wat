;; There are no sections.
;; => MalformedAnswer: the header of the module is out of bounds

(data (i32.const 0x410) (i32 0 0))
