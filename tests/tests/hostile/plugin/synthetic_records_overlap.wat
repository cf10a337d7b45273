;; Its second wanted section is the same bytes as its windows and its alignments: nothing is read twice.
;; => MalformedAnswer: its plan has windows out of order, or of no relocation

(data (i32.const 0x708) (i32 0x800 1 0x800 1 0x800 2))
(data (i32.const 0x800) (i64 0 8 64) (i32 0x600 7 2 0 -1 0x900) (i64 0))
