;; The module's init is a symbol that does not exist.
;; => MalformedAnswer: a module's entry of the module is out of bounds

(data (i32.const 0x448) (i32 3))
