;; Has colours, ends of lines and letters that run backwards in all that it says of itself.
;; => links

(data (i32.const 0x408) (i32 0x900 33 0x900 33 0x900 33) (i32 0x480 1 0x500 4 0x980 1))
(data (i32.const 0x508) (i32 0x900 33 0x900 33 0x900 33))
;; ESC [31m, forged lines, CSI as one character, right-to-left override, zero-width space, not UTF-8
(data (i32.const 0x900) "\1b[31m\0d\0aforged: x\c2\9b\e2\80\ae\e2\80\8b\ef\bb\bf\ff|`")
(data (i32.const 0x980) (i32 0x900 33) (i64 7))
