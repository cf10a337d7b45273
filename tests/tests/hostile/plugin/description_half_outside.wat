;; Its description ends beyond its memory.
;; => MalformedAnswer: 72 bytes at 0x3fff8 lie outside its memory

(func (export "relobox_describe") (result i32)
  (i32.const 0x3fff8))
