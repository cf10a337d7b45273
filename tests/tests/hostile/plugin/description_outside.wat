;; Describes itself beyond its memory.
;; => MalformedAnswer: 72 bytes at 0xfffffff8 lie outside its memory

(func (export "relobox_describe") (result i32)
  (i32.const -8))
