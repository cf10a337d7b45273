# Calls that go through a PLT, and numbers of variable length, on both widths. Returns 42, or which check failed.
.ifdef FAR
    addi s0, s0, 1
    ret
.else
    .globl _start
_start:
    li s0, 0
    li a0, 1
    .reloc ., R_RISCV_CALL_PLT, far
    auipc ra, 0
    jalr ra, 0(ra)
    li t0, 1
    bne s0, t0, fail
    li a0, 2
    .reloc ., R_RISCV_CALL, far
    auipc ra, 0
    jalr ra, 0(ra)
    li t0, 2
    bne s0, t0, fail
    # A tail call: the return address is ours.
    li a0, 3
    la ra, 1f
    .reloc ., R_RISCV_CALL_PLT, far
    auipc t1, 0
    jalr zero, 0(t1)
1:  li t0, 3
    bne s0, t0, fail
    # The distance of a word to the function.
    li a0, 4
    la t0, plt32
    lw t1, 0(t0)
    add t0, t0, t1
    jalr t0
    li t0, 4
    bne s0, t0, fail

    # address, value, length
    la s1, numbers
    li a0, 10
next:
    lw a1, 0(s1)
    beqz a1, done
    la a2, numbers
    add a1, a1, a2
    lw a3, 4(s1)
    lw a4, 8(s1)
    li t0, 0 # value
    li t1, 0 # shift
    add a4, a4, a1
2:  lbu t2, 0(a1)
    addi a1, a1, 1
    andi t3, t2, 0x7f
    sll t3, t3, t1
    or t0, t0, t3
    addi t1, t1, 7
    andi t2, t2, 0x80
    bnez t2, 2b
    bne t0, a3, fail
    bne a1, a4, fail
    lbu t2, 0(a1)
    li t3, 0xa5
    bne t2, t3, fail
    addi a0, a0, 1
    addi s1, s1, 12
    j next
done:
    li a0, 42
fail:
    li a7, 93 # exit
    ecall

    .data
    .p2align 2
plt32:
    .reloc ., R_RISCV_PLT32, far
    .word 0
numbers:
    .word one - numbers, 100, 1
    .word two - numbers, 0x3fff, 2
    .word padded - numbers, 300, 3
    .word nothing - numbers, 0, 4
    .word sum - numbers, 303, 2
    .word long - numbers, 0x4000, 5
    .word code - numbers, 8, 1
    .word 0
.macro distance label, to, from, bytes:vararg
\label:
    .reloc ., R_RISCV_SET_ULEB128, \to
    .reloc ., R_RISCV_SUB_ULEB128, \from
    .byte \bytes
    .byte 0xa5
.endm
    distance one, begin+100, begin, 0x7f
    distance two, begin+0x3fff, begin, 0xff, 0x00
    distance padded, three, begin, 0x80, 0x80, 0
    distance nothing, three, three, 0xff, 0x81, 0x92, 0x7f
    distance sum, three+5, begin+2, 0x80, 0
    distance long, end, begin, 0x80, 0x80, 0x80, 0x80, 0x0f
    distance code, _start+8, _start, 0
    .bss
begin:
    .zero 300
three:
    .zero 0x4000 - 300
end:
.endif
