// Offsets in the table, in groups of 16 bits, and distances from the table. Returns 42, or which check failed.
.ifdef FAR
    nop
.else
    .globl _start
_start:
    adrp x9, _GLOBAL_OFFSET_TABLE_
    add x9, x9, :lo12:_GLOBAL_OFFSET_TABLE_
    b 1f
    // A table that is longer than 64 KiB, so that the second group of the last offset is not 0.
    .rept 9000
    .reloc ., R_AARCH64_MOVW_GOTOFF_G0_NC, far\+
    movk x0, #0
    .endr
1:  adrp x10, addresses
    add x10, x10, :lo12:addresses

    mov x8, #1
    .reloc ., R_AARCH64_MOVW_GOTOFF_G3, far8999
    movn x0, #0x5a5a, lsl #48
    .reloc ., R_AARCH64_MOVW_GOTOFF_G2_NC, far8999
    movk x0, #0x5a5a, lsl #32
    .reloc ., R_AARCH64_MOVW_GOTOFF_G1_NC, far8999
    movk x0, #0x5a5a, lsl #16
    .reloc ., R_AARCH64_MOVW_GOTOFF_G0_NC, far8999
    movk x0, #0x5a5a
    // The offset is what it should be only if its second group is 1.
    lsr x1, x0, #16
    cmp x1, #1
    b.ne fail
    ldr x1, [x9, x0]
    ldr x2, [x10]
    cmp x1, x2
    b.ne fail

    mov x8, #2
    .reloc ., R_AARCH64_MOVW_GOTOFF_G2, far8999
    movn x3, #0x5a5a, lsl #32
    .reloc ., R_AARCH64_MOVW_GOTOFF_G1_NC, far8999
    movk x3, #0x5a5a, lsl #16
    .reloc ., R_AARCH64_MOVW_GOTOFF_G0_NC, far8999
    movk x3, #0x5a5a
    cmp x0, x3
    b.ne fail

    mov x8, #3
    .reloc ., R_AARCH64_MOVW_GOTOFF_G1, far8999
    movn x3, #0x5a5a, lsl #16
    .reloc ., R_AARCH64_MOVW_GOTOFF_G0_NC, far8999
    movk x3, #0x5a5a
    cmp x0, x3
    b.ne fail

    mov x8, #4
    .reloc ., R_AARCH64_MOVW_GOTOFF_G0, far5
    movn x3, #0x5a5a
    ldr x1, [x9, x3]
    ldr x2, [x10, #8]
    cmp x1, x2
    b.ne fail

    mov x8, #5
    ldr x1, [x10, #16]
    add x1, x1, x9
    ldr x2, [x10]
    cmp x1, x2
    b.ne fail

    mov x8, #6
    ldrsw x1, [x10, #24]
    add x1, x1, x9
    adr x2, _start
    add x2, x2, #4
    cmp x1, x2
    b.ne fail
    mov x8, #42
fail:
    mov x0, x8
    mov x8, #93 // exit
    svc #0

    .data
    .p2align 3
addresses:
    .xword far8999
    .xword far5
    .reloc ., R_AARCH64_GOTREL64, far8999
    .xword 0
    .reloc ., R_AARCH64_GOTREL32, _start + 4
    .word 0
.endif
