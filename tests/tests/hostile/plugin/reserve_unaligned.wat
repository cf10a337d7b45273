;; Reserves room that is not aligned.
;; => MalformedAnswer: bytes at 0x10001

(func (export "relobox_reserve") (param i32) (result i32)
  (i32.const 0x10001))
