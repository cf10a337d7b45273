;; Supplies as many symbols as there are, each renamed to the same 512 bytes. Of a module with many undefined symbols, the
;; host would copy each name; here symbol 1 is one that it may not supply.
;; => MalformedAnswer: supplies a symbol that it may not

(func (export "relobox_plan") (param $job i32) (result i32)
  (local $n i32) (local $at i32) (local $i i32)
  (local.set $n (i32.load offset=28 (local.get $job)))       ;; symbols.count
  (local.set $at (call $room (i32.mul (local.get $n) (i32.const 32))))
  (memory.fill (i32.const 0x800) (i32.const 0x61) (i32.const 512))
  (loop $next
    (i32.store offset=0 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (i32.const 1))
    (i32.store offset=4 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (i32.const 4))
    (i32.store offset=24 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (i32.const 0x800))
    (i32.store offset=28 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (i32.const 512))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
  (i32.store (i32.const 0x720) (local.get $at))
  (i32.store (i32.const 0x724) (local.get $n))
  (i32.const 0x700))

(func $room (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (global.get $next))
  (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get $bytes)) (i32.const 15)) (i32.const -16)))
  (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
    (then (if (i32.eq (memory.grow (i32.shr_u (i32.add (local.get $bytes) (i32.const 65551)) (i32.const 16))) (i32.const -1))
      (then unreachable))))
  (local.get $at))
