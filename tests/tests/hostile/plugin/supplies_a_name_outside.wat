;; Renames a symbol to a name beyond its memory.
;; => MalformedAnswer: 16 bytes at 0xfffffff8 lie outside its memory

;; symbol, how, index, reserved, value, name
(data (i32.const 0x720) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 4 0 0) (i64 0) (i32 0xfffffff8 16))

(func (export "relobox_plan") (param $job i32) (result i32)
  ;; the first symbol that is (or is not) undefined
  (local $i i32) (local $s i32)
  (local.set $i (i32.const 1))
  (loop $next
    (local.set $s (i32.add (i32.add (local.get $job) (i32.load offset=24 (local.get $job))) (i32.mul (local.get $i) (i32.const 40))))
    (if (i32.ne (i32.and (i32.load16_u offset=30 (local.get $s)) (i32.const 1)) (i32.const 1))
      (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))))
  (i32.store (i32.const 0x800) (local.get $i))
  (i32.const 0x700))
