;; Its sections begin before the file and end in it.
;; => MalformedAnswer: a table of the module is out of bounds

(data (i32.const 0x410) (i32 0xfff8 1))
