;; Its sections lie in the file, which is patched while they are read.
;; => MalformedAnswer: a table of the module is out of bounds

(data (i32.const 0x410) (i32 0x10010 1))
