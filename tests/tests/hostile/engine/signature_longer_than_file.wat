;; The signature is longer than the file.
;; => MalformedAnswer: a module's entry of the module is out of bounds

(data (i32.const 0x450) (i32 129))
