;; Raises an alignment to 0.
;; => MalformedAnswer: its plan raises an alignment to an invalid value

(data (i32.const 0x710) (i32 0x800 1))
(data (i32.const 0x800) (i32 1 0) (i64 0))
