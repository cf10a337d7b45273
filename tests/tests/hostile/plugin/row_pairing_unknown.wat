;; Pairs a row in a way that this version does not have.
;; => MalformedAnswer: row 1 of its table has an unknown effect, rounding or pair

(data (i32.const 0x531) (i8 7))
