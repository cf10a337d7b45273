;; Two functions with many locals call each other through a table for ever.
;; => Trap: trapped in relobox_apply: wasm trap: call stack exhausted

(type $step (func (param i32 i32) (result i32)))
(table funcref (elem $a $b))
(func $a (param i32 i32) (result i32)
  (i32.mul (local.get 0) (call_indirect (type $step) (local.get 1) (i32.add (local.get 0) (i32.const 1)) (i32.const 1))))
(func $b (param i32 i32) (result i32)
  (i32.xor (local.get 1) (call_indirect (type $step) (local.get 1) (i32.add (local.get 0) (i32.const 1)) (i32.const 0))))

(func (export "relobox_apply") (param $job i32) (result i32)
  (call $a (local.get $job) (i32.const 1)))
