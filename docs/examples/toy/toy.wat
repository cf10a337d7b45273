;; A relocation plugin in WebAssembly text: docs/abi.md explains it step by step.
;;
;; The machine is made up: number 0xfeed, 32 bits, little-endian, explicit addends (RELA).
;;
;;   R_TOY_32   = 1:  S + A,      four bytes, cut to 32 bits
;;   R_TOY_PC16 = 2:  S + A - P,  two bytes, signed 16 bits or a fault
;;
;; Assemble: wat2wasm toy.wat, wasm-tools parse toy.wat -o toy.wasm, or the Rust crate `wat`.
;; SPDX-License-Identifier: MIT OR Apache-2.0
(module
  ;; 0x0010 texts   0x0100 Description   0x0150 Machine    0x0180 Rows   0x01f0 Slices
  ;; 0x0200 Plan    0x0240 Applied       0x0280 32 Faults  0x1000 free
  (memory (export "memory") 1)

  (data (i32.const 0x010) "toy")
  (data (i32.const 0x020) "A machine made up for the documentation")
  (data (i32.const 0x060) "docs/abi.md")
  (data (i32.const 0x070) "R_TOY_32R_TOY_PC16")
  (data (i32.const 0x088) "S + A")
  (data (i32.const 0x090) "S + A - P")
  (data (i32.const 0x0a0) "word32")
  (data (i32.const 0x0a8) "word16")

  (data (i32.const 0x100)               ;; Description
    "\03\00\00\00"                      ;; abi
    "\ff\00\00\00"                      ;; kind_mask: the low byte of r_info
    "\10\00\00\00" "\03\00\00\00"       ;; name
    "\20\00\00\00" "\27\00\00\00"       ;; title
    "\60\00\00\00" "\0b\00\00\00"       ;; psabi
    "\50\01\00\00" "\01\00\00\00"       ;; machines
    "\80\01\00\00" "\02\00\00\00"       ;; rows
    "\00\00\00\00" "\00\00\00\00"       ;; inputs: none
    "\00\00\00\00" "\00\00\00\00")      ;; remade: none; details has none either, as all memory is zero
  (data (i32.const 0x150)               ;; Machine
    "\ed\fe"                            ;; machine
    "\20"                               ;; class: 32
    "\01"                               ;; order: little
    "\00\00\00\00" "\00\00\00\00"       ;; flags_mask, flags_value: any e_flags
    "\00\00\00\00"                      ;; reserved
    "\00\00\00\80\00\00\00\00"          ;; base:   0x8000_0000
    "\00\40\00\80\00\00\00\00"          ;; kernel: 0x8000_4000
    "\00\80\00\00\00\00\00\00")         ;; reach:  0x8000, 32 KiB
  (data (i32.const 0x180)               ;; Row: R_TOY_32
    "\01\00\00\00" "\00\00\00\00"       ;; kind, flags
    "\70\00\00\00" "\08\00\00\00"       ;; name
    "\88\00\00\00" "\05\00\00\00"       ;; formula
    "\a0\00\00\00" "\06\00\00\00"       ;; field
    "\f0\01\00\00" "\01\00\00\00"       ;; slices
    "\04" "\00" "\00" "\20" "\01"       ;; width 4, order of the data, rule NONE, 32 bits, align 1
    "\00" "\00" "\04" "\00"             ;; window: not rounded, from the place, 4 bytes; no extra
    "\00" "\01")                      ;; pairing NONE, effect ABSOLUTE; no rounding, no partner
  (data (i32.const 0x1b8)               ;; Row: R_TOY_PC16
    "\02\00\00\00" "\00\00\00\00"
    "\78\00\00\00" "\0a\00\00\00"
    "\90\00\00\00" "\09\00\00\00"
    "\a8\00\00\00" "\06\00\00\00"
    "\f4\01\00\00" "\01\00\00\00"
    "\02" "\00" "\01" "\10" "\01"       ;; width 2, order of the data, rule SIGNED, 16 bits, align 1
    "\00" "\00" "\02" "\00"             ;; window: 2 bytes
    "\00" "\02")                      ;; effect RELATIVE
  (data (i32.const 0x1f0)               ;; Slices: value bit, field bit, length
    "\00\00\20\00"
    "\00\00\10\00")

  (global $free (mut i32) (i32.const 0x1000))
  (global $faults (mut i32) (i32.const 0))  ;; how many were found

  (func (export "relobox_abi") (result i32)
    (i32.const 3))

  (func (export "relobox_describe") (result i32)
    (i32.const 0x100))

  ;; Room for the host to write in: 16-aligned, zero because it is fresh. 0 if there is none.
  (func (export "relobox_reserve") (param $bytes i32) (result i32)
    (local $at i32) (local $end i64) (local $have i64)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $bytes))))
    (local.set $have (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
    (if (i64.gt_u (local.get $end) (i64.const 0xffffffff))
      (then (return (i32.const 0))))
    (if (i64.gt_u (local.get $end) (local.get $have))
      (then
        ;; Pages of 65,536 bytes, rounded up.
        (if (i32.eq
              (memory.grow (i32.wrap_i64 (i64.shr_u
                (i64.add (i64.sub (local.get $end) (local.get $have)) (i64.const 65535)) (i64.const 16))))
              (i32.const -1))
          (then (return (i32.const 0))))))
    (global.set $free (i32.wrap_i64 (local.get $end)))
    (local.get $at))

  ;; Needs nothing: the Plan at 0x200 is all zeros. But a section whose addends are in place is refused.
  (func (export "relobox_plan") (param $job i32) (result i32)
    (local $group i32) (local $end i32)
    (local.set $group (i32.add (local.get $job) (i32.load offset=32 (local.get $job))))
    (local.set $end (i32.add (local.get $group) (i32.mul (i32.load offset=36 (local.get $job)) (i32.const 24))))
    (block $done
      (loop $groups
        (br_if $done (i32.ge_u (local.get $group) (local.get $end)))
        (if (i32.and (i32.load offset=12 (local.get $group)) (i32.const 1))   ;; group_flag IN_PLACE
          (then (call $fault (i32.const 10)                                   ;; fault ADDEND_FORM
            (i32.load offset=4 (local.get $group))                            ;; its first relocation
            (i32.load (local.get $group)) (i32.const 0)
            (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))))
        (local.set $group (i32.add (local.get $group) (i32.const 24)))
        (br $groups)))
    (call $list (i32.const 0x200) (i32.const 40))
    (i32.const 0x200))

  (func (export "relobox_apply") (param $job i32) (result i32)
    (local $group i32) (local $groups_end i32) (local $section i32) (local $data i32) (local $len i64)
    (local $index i32) (local $last i32) (local $relocation i32)
    (local $kind i32) (local $symbol i32) (local $offset i64) (local $width i64) (local $value i64)
    (local.set $group (i32.add (local.get $job) (i32.load offset=32 (local.get $job))))
    (local.set $groups_end (i32.add (local.get $group) (i32.mul (i32.load offset=36 (local.get $job)) (i32.const 24))))
    (block $groups_done
      (loop $groups
        (br_if $groups_done (i32.ge_u (local.get $group) (local.get $groups_end)))
        ;; The Section record, and this plugin's copy of the contents: job + job.data.at + section.data.at.
        (local.set $section (i32.add (i32.add (local.get $job) (i32.load offset=16 (local.get $job)))
          (i32.mul (i32.load (local.get $group)) (i32.const 56))))
        (local.set $data (i32.add (i32.add (local.get $job) (i32.load offset=72 (local.get $job)))
          (i32.load offset=32 (local.get $section))))
        (local.set $len (i64.load32_u offset=36 (local.get $section)))
        (local.set $index (i32.load offset=4 (local.get $group)))
        (local.set $last (i32.add (local.get $index) (i32.load offset=8 (local.get $group))))
        (block $done
          (loop $relocations
            (br_if $done (i32.ge_u (local.get $index) (local.get $last)))
            (local.set $relocation (i32.add (i32.add (local.get $job) (i32.load offset=40 (local.get $job)))
              (i32.mul (local.get $index) (i32.const 24))))
            (local.set $offset (i64.load (local.get $relocation)))
            (local.set $kind (i32.and (i32.load offset=16 (local.get $relocation)) (i32.const 0xff)))
            (local.set $symbol (i32.load offset=20 (local.get $relocation)))
            (block $next
              (local.set $width (i64.const 4))
              (if (i32.ne (local.get $kind) (i32.const 1)) (then
                (local.set $width (i64.const 2))
                (if (i32.ne (local.get $kind) (i32.const 2)) (then
                  (call $fault (i32.const 1) (local.get $index) (i32.load (local.get $group)) (local.get $symbol)
                    (local.get $offset) (i64.extend_i32_u (local.get $kind)) (i64.const 0) (i64.const 0))
                  (br $next)))))
              ;; The symbol and the place are not checked yet.
              (if (i32.ge_u (local.get $symbol) (i32.load offset=52 (local.get $job))) (then
                (call $fault (i32.const 5) (local.get $index) (i32.load (local.get $group)) (local.get $symbol)
                  (local.get $offset) (i64.extend_i32_u (local.get $symbol)) (i64.const 0)
                  (i64.sub (i64.load32_u offset=52 (local.get $job)) (i64.const 1)))
                (br $next)))
              (if (i32.or (i64.gt_u (local.get $offset) (local.get $len))
                    (i64.gt_u (local.get $width) (i64.sub (local.get $len) (local.get $offset)))) (then
                (call $fault (i32.const 4) (local.get $index) (i32.load (local.get $group)) (local.get $symbol)
                  (local.get $offset) (local.get $offset) (i64.const 0) (local.get $len))
                (br $next)))
              ;; S + A
              (local.set $value (i64.add
                (i64.load (i32.add (i32.add (local.get $job) (i32.load offset=48 (local.get $job)))
                  (i32.mul (local.get $symbol) (i32.const 8))))
                (i64.load offset=8 (local.get $relocation))))
              (if (i32.eq (local.get $kind) (i32.const 1))
                (then
                  (i32.store align=1 (i32.add (local.get $data) (i32.wrap_i64 (local.get $offset)))
                    (i32.wrap_i64 (local.get $value))))
                (else
                  ;; - P, in the 32 bits that this machine's addresses have
                  (local.set $value (i64.extend_i32_s (i32.wrap_i64 (i64.sub (local.get $value)
                    (i64.add (i64.load (local.get $section)) (local.get $offset))))))
                  (if (i32.or (i64.lt_s (local.get $value) (i64.const -32768))
                        (i64.gt_s (local.get $value) (i64.const 32767))) (then
                    (call $fault (i32.const 2) (local.get $index) (i32.load (local.get $group)) (local.get $symbol)
                      (local.get $offset) (local.get $value) (i64.const -32768) (i64.const 32767))
                    (br $next)))
                  (i32.store16 align=1 (i32.add (local.get $data) (i32.wrap_i64 (local.get $offset)))
                    (i32.wrap_i64 (local.get $value))))))
            (local.set $index (i32.add (local.get $index) (i32.const 1)))
            (br $relocations)))
        (local.set $group (i32.add (local.get $group) (i32.const 24)))
        (br $groups)))
    (call $list (i32.const 0x240) (i32.const 8))
    (i32.const 0x240))

  ;; Writes the table of faults into a Plan or an Applied, and how many more there are at `more` bytes from it.
  (func $list (param $answer i32) (param $more i32)
    (i32.store (local.get $answer) (i32.const 0x280))
    (if (i32.gt_u (global.get $faults) (i32.const 32))
      (then
        (i32.store offset=4 (local.get $answer) (i32.const 32))
        (i32.store (i32.add (local.get $answer) (local.get $more))
          (i32.sub (global.get $faults) (i32.const 32))))
      (else (i32.store offset=4 (local.get $answer) (global.get $faults)))))

  ;; Keeps the first 32 faults, and counts the others.
  (func $fault (param $kind i32) (param $relocation i32) (param $section i32) (param $symbol i32)
      (param $offset i64) (param $value i64) (param $min i64) (param $max i64)
    (local $at i32)
    (local.set $at (i32.add (i32.const 0x280) (i32.mul (global.get $faults) (i32.const 64))))
    (global.set $faults (i32.add (global.get $faults) (i32.const 1)))
    (if (i32.gt_u (global.get $faults) (i32.const 32)) (then (return)))
    (i32.store (local.get $at) (local.get $kind))
    (i32.store offset=4 (local.get $at) (local.get $relocation))
    (i32.store offset=8 (local.get $at) (local.get $section))
    (i32.store offset=12 (local.get $at) (local.get $symbol))
    (i64.store offset=16 (local.get $at) (local.get $offset))
    (i64.store offset=24 (local.get $at) (local.get $value))
    (i64.store offset=32 (local.get $at) (local.get $min))
    (i64.store offset=40 (local.get $at) (local.get $max))))
