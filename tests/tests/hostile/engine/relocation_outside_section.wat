;; A relocation lies beyond its section: the plugin finds that.
;; => Module: lies outside its section

(data (i32.const 0x740) (i64 0x1000))
