;; The module's exit is a symbol that does not exist.
;; => MalformedAnswer: a module's entry of the module is out of bounds

(data (i32.const 0x44c) (i32 -1))
