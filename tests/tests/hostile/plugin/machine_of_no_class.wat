;; Describes a machine of 16 bits and no byte order.
;; => links

(data (i32.const 0x482) (i8 16 0))
