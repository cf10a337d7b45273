;; Claims windows of two relocations over the same bytes, and changes one of them.
;; => links

(data (i32.const 0x718) (i32 0x800 2))
(data (i32.const 0x800) (i32 0 4) (i64 28))
(data (i32.const 0x810) (i32 1 2) (i64 29))

(func (export "relobox_apply") (param $job i32) (result i32)
  (i32.store8 (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job))) (i32.const 30)) (i32.const 0x77))
  (i32.const 0x740))
