;; One of its fields has 5 bytes.
;; => MalformedAnswer: row 1 of its table is invalid

(data (i32.const 0x528) (i8 5))
