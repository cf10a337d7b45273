;; A relocation names a symbol that does not exist: the plugin finds that.
;; => Module: refers to symbol 77

(data (i32.const 0x754) (i32 77))
