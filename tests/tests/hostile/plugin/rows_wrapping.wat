;; It has so many rows that their size is small again in 32 bits.
;; => MalformedAnswer: more than 4096 machines, inputs or rows

(data (i32.const 0x428) (i32 0x500 613566757))
