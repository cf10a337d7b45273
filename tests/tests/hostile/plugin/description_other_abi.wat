;; Says in its description that it speaks another version.
;; => Version: has ABI version 2, and this host speaks 1

(data (i32.const 0x400) (i32 2))
