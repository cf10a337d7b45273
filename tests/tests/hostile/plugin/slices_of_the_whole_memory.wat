;; Every row has its whole memory as slices, which would be copied for each.
;; => MalformedAnswer: row 1 of its table is invalid

(data (i32.const 0x520) (i32 0 0x10000))
