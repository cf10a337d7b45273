;; Claims a window for a relocation that does not exist.
;; => MalformedAnswer: its plan has windows out of order, or of no relocation

(data (i32.const 0x718) (i32 0x800 1))
(data (i32.const 0x800) (i32 1000 1) (i64 0))
