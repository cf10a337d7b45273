;; Says what a symbol is that does not exist.
;; => MalformedAnswer: its plan supplies a symbol that it may not

(data (i32.const 0x720) (i32 0x800 1))
(data (i32.const 0x800) (i32 100000 1 0 0) (i64 0) (i32 0 0))
