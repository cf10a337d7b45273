;; There are no symbols.
;; => MalformedAnswer: a symbol of the module is out of bounds

(data (i32.const 0x418) (i32 0 0))
