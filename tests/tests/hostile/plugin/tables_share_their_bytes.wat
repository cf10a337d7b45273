;; Its wanted section, read as an alignment, raises that of section 0 to the section's size: both make sense.
;; => links

(data (i32.const 0x708) (i32 0x800 1 0x800 1))
(data (i32.const 0x800) (i64 0 8 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))
