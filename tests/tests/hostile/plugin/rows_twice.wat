;; Has two rows for one type, the second with another window.
;; => links

(data (i32.const 0x570) (i32 2))
