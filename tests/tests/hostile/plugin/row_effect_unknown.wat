;; Gives a row an effect that this version does not have.
;; => MalformedAnswer: row 1 of its table has an unknown effect, rounding or pair

(data (i32.const 0x532) (i8 10))
