;; Its answer is not aligned.
;; => MalformedAnswer: a record at 0x402 is not aligned

(func (export "relobox_parse") (param i32 i32 i32) (result i32)
  (i32.const 0x402))
