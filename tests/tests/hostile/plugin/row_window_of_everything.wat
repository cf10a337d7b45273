;; Its row's window is the 255 bytes after the relocation, more than the section has.
;; => Window: changed byte

(data (i32.const 0x560) (i8 4 1 1 32 0 0 0 255))
(data (i32.const 0x598) (i8 4 1 1 32 0 0 0 255))
