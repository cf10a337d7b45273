;; Its groups lie in the file, which is patched while they are read.
;; => MalformedAnswer: a table of the module is out of bounds

(data (i32.const 0x420) (i32 0x10010 1))
