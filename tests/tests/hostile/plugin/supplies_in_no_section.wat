;; Says that a symbol is in a section that does not exist.
;; => MalformedAnswer: its plan supplies a symbol that it may not

;; symbol, how, index, reserved, value, name
(data (i32.const 0x720) (i32 0x800 1))
(data (i32.const 0x800) (i32 0 2 1000 0) (i64 0) (i32 0 0))

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
