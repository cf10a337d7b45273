;; An engine that keeps the contract, for one file of 128 bytes:
;; 0 ".text", 8 "printk", 16 "init_module", 32 "license=GPL", 48 ".bss", 64 to 95 the contents of .text.
;;
;; 0x400 Parsed, 0x500 Sections, 0x600 Symbols, 0x700 Groups, 0x740 Relocations, 0x7a0 Pairs, 0x7c0 Exports,
;; 0x7e0 Versions, 0x800 Emitted, 0x810 its piece, 0x820 the file it emits, 0x840 Faults; 0x1000 to 0xffff is for the cases, from
;; 0x10000 on there are jobs.

(memory (export "memory") 4)

;; faults; machine, class, order; e_flags; sections, symbols, groups, relocations; modinfo, exports, versions; init, exit, signature, reserved
(data (i32.const 0x400) (i32 0 0) (i16 62) (i8 64 1) (i32 0)
  (i32 0x500 3 0x600 3 0x700 1 0x740 2) (i32 0x7a0 1 0x7c0 1 0x7e0 1) (i32 1 0 0 0))
;; address, size, align, flags; data, name; kind, reserved
(data (i32.const 0x500) (i64 0 0 1 0) (i32 0 0 0 0) (i32 0 0))
(data (i32.const 0x538) (i64 0 32 16 6) (i32 64 32 0 5) (i32 1 0))
(data (i32.const 0x570) (i64 0 64 32 3) (i32 0 0 48 4) (i32 8 0))
;; value, size; name; section; info, other, flags; reserved
(data (i32.const 0x600) (i64 0 0) (i32 0 0 0) (i8 0 0) (i16 0) (i64 0))
(data (i32.const 0x628) (i64 0 32) (i32 16 11 1) (i8 0x12 0) (i16 0) (i64 0))
(data (i32.const 0x650) (i64 0 0) (i32 8 6 0) (i8 0x10 0) (i16 1) (i64 0))
;; section, first, count, flags, source, reserved
(data (i32.const 0x700) (i32 1 0 2 0 0 0))
;; offset, addend; kind, symbol
(data (i32.const 0x740) (i64 8 -4) (i32 4 2))
(data (i32.const 0x758) (i64 16 0) (i32 1 1))
;; key, value
(data (i32.const 0x7a0) (i32 32 7 40 3))
;; name, namespace, symbol, crc, flags, reserved
(data (i32.const 0x7c0) (i32 16 11 0 0 1 0 0 0))
;; name, crc, reserved
(data (i32.const 0x7e0) (i32 8 6 0 0))
;; faults, pieces; the one piece
(data (i32.const 0x800) (i32 0 0 0x810 1))
(data (i32.const 0x810) (i32 0x820 16))
(data (i32.const 0x820) "the linked file\n")

(global $next (mut i32) (i32.const 0x10000))

(func (export "relobox_abi") (result i32) (i32.const 3))

(func (export "relobox_reserve") (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (global.get $next))
  (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get $bytes)) (i32.const 15)) (i32.const -16)))
  (block $enough
    (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
    (br_if $enough (i32.ne (memory.grow (i32.shr_u (i32.add (local.get $bytes) (i32.const 65551)) (i32.const 16))) (i32.const -1)))
    (return (i32.const 0)))
  (local.get $at))

(func (export "relobox_parse") (param i32 i32 i32) (result i32) (i32.const 0x400))

(func (export "relobox_emit") (param i32) (result i32) (i32.const 0x800))
