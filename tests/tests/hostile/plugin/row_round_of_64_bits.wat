;; Rounds what a row writes to more bits than a value has.
;; => MalformedAnswer: row 1 of its table has an unknown effect, rounding or pair

(data (i32.const 0x533) (i8 64))
