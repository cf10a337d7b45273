;; Its answer to emit is not aligned.
;; => MalformedAnswer: a record at 0x801 is not aligned

(func (export "relobox_emit") (param i32) (result i32)
  (i32.const 0x801))
