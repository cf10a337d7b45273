;; Reserves room that ends beyond its memory.
;; => MalformedAnswer: bytes at 0x3fff0

(func (export "relobox_reserve") (param i32) (result i32)
  (i32.const 0x3fff0))
