;; Writes beyond its memory.
;; => Trap: trapped in relobox_apply: wasm trap: out of bounds memory access

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store (i32.const -4) (i32.const 1)) (i32.const 0x740))
