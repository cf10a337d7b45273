;; Claims two windows for one relocation.
;; => MalformedAnswer: its plan has windows out of order

(data (i32.const 0x718) (i32 0x800 2))
(data (i32.const 0x800) (i32 0 4) (i64 0) (i32 0 4) (i64 8))
