;; Answers beyond its memory.
;; => MalformedAnswer: 88 bytes at 0xfffffff8 lie outside its memory

(func (export "relobox_parse") (param i32 i32 i32) (result i32)
  (i32.const -8))
