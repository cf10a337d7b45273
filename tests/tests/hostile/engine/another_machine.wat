;; The file is for a machine that no plugin knows.
;; => Module: no plugin for machine 4660

(data (i32.const 0x408) (i16 0x1234))
