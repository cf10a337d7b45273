;; Pairs a row with a type that has no row.
;; => MalformedAnswer: row 1 of its table has an unknown effect, rounding or pair

(data (i32.const 0x531) (i8 6 1 0 99 0 0 0))
