;; Its description is not aligned.
;; => MalformedAnswer: a record at 0x401 is not aligned

(func (export "relobox_describe") (result i32)
  (i32.const 0x401))
