;; Says that modules begin at an odd address: sections are aligned after it.
;; => links

(data (i32.const 0x490) (i64 0xffffffffc0000001))
