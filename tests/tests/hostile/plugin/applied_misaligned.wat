;; Its answer is not aligned.
;; => MalformedAnswer: a record at 0x741 is not aligned

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.const 0x741))
