;; Describes no machine at all, though it links what it is asked: another plugin links the module.
;; => links

(data (i32.const 0x438) (i32 0 0))
