;; A plugin that keeps the contract and changes nothing. It links x86-64 modules whose e_flags are
;; 0xbad, so that others still reach the built-in plugin.
;;
;; 0x400 Description, 0x480 Machine, 0x500 Rows, 0x600 text, 0x700 Plan, 0x740 Applied;
;; 0x800 to 0xffff is for the cases, from 0x10000 on there are jobs.

(memory (export "memory") 4)

;; abi, kind_mask, name, title, psabi, machines, rows, inputs, small_flags, reserved
(data (i32.const 0x400) (i32 2 0xffffffff) (i32 0x600 7 0x608 17 0 0) (i32 0x480 1 0x500 4 0 0) (i64 0 0))
;; machine, class, order, flags_mask, flags_value, reserved, base, kernel, reach
(data (i32.const 0x480) (i16 62) (i8 64 1) (i32 0xffffffff 0xbad 0) (i64 0xffffffffc0000000 0xffffffff81000000 0x80000000))
;; kind, flags, name, formula, field, slices; width, order, rule, bits, align, window_align, window_start, window_len, extra,
;; pairing, effect, round, partner
(data (i32.const 0x500) (i32 1 0 0x620 6 0x628 5 0 0 0 0) (i8 8 1 0 0 0 0 0 8 0 0 0 0 0 0 0 0))
(data (i32.const 0x538) (i32 2 0 0x620 6 0x628 5 0 0 0 0) (i8 4 1 1 32 0 0 0 4 4 0 0 0 0 0 0 0))
(data (i32.const 0x570) (i32 4 0 0x620 6 0x628 5 0 0 0 0) (i8 4 1 1 32 0 0 0 4 2 0 0 0 0 0 0 0))
(data (i32.const 0x5a8) (i32 11 0 0x620 6 0x628 5 0 0 0 0) (i8 4 1 1 32 0 0 0 4 0 0 0 0 0 0 0 0))
(data (i32.const 0x600) "hostile")
(data (i32.const 0x608) "links nothing yet")
(data (i32.const 0x620) "R_TEST")
(data (i32.const 0x628) "S + A")

(global $next (mut i32) (i32.const 0x10000))

(func (export "relobox_abi") (result i32) (i32.const 2))

(func (export "relobox_reserve") (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (global.get $next))
  (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get $bytes)) (i32.const 15)) (i32.const -16)))
  (block $enough
    (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
    (br_if $enough (i32.ne (memory.grow (i32.shr_u (i32.add (local.get $bytes) (i32.const 65551)) (i32.const 16))) (i32.const -1)))
    (return (i32.const 0)))
  (local.get $at))

(func (export "relobox_describe") (result i32) (i32.const 0x400))

(func (export "relobox_plan") (param $job i32) (result i32) (i32.const 0x700))

(func (export "relobox_apply") (param $job i32) (result i32) (i32.const 0x740))
