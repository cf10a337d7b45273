;; Reserves room beyond its memory.
;; => MalformedAnswer: bytes at 0xfffffff0

(func (export "relobox_reserve") (param i32) (result i32)
  (i32.const -16))
