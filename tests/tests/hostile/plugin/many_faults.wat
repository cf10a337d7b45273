;; Finds 100,000 faults, each with words: only some are kept.
;; => Module: more

(data (i32.const 0x740) (i32 0x100000 100000))

(func (export "relobox_apply") (param $job i32) (result i32)
  (drop (memory.grow (i32.const 115)))
  (i32.const 0x740))
