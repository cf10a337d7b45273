;; Writes one byte beyond its memory.
;; => Trap: out of bounds memory access

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store8 (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 0x740))
