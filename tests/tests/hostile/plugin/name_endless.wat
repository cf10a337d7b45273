;; Its name is its whole memory: it is shown cut.
;; => links

(data (i32.const 0x408) (i32 0 0x40000))
