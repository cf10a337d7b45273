# Calls that go through a PLT. Returns 42, or which check failed.
.ifdef FAR
    aghi %r13, 1
    br %r14
.else
    .globl _start
_start:
    lghi %r13, 0
    larl %r12, _GLOBAL_OFFSET_TABLE_

    lghi %r2, 1
    brasl %r14, far@PLT
    cghi %r13, 1
    jne fail

    lghi %r2, 2
    larl %r9, addresses
    # The distance that a bras would have, if it stood here.
    larl %r3, short
    lgh %r4, 2(%r3)
    sllg %r4, %r4, 1
    la %r4, 0(%r4, %r3)
    basr %r14, %r4
    cghi %r13, 2
    jne fail

    # Both distances of a bprp, from its begin.
    lghi %r2, 3
    larl %r3, preload
    lgh %r4, 1(%r3)
    sllg %r4, %r4, 52
    srag %r4, %r4, 51
    la %r4, 0(%r4, %r3)
    basr %r14, %r4
    cghi %r13, 3
    jne fail

    lghi %r2, 4
    larl %r3, preload
    lgf %r4, 2(%r3)
    sllg %r4, %r4, 40
    srag %r4, %r4, 39
    la %r4, 0(%r4, %r3)
    basr %r14, %r4
    cghi %r13, 4
    jne fail

    lghi %r2, 5
    lgf %r4, 0(%r9)
    agr %r4, %r9
    basr %r14, %r4
    cghi %r13, 5
    jne fail

    lghi %r2, 6
    lg %r4, 8(%r9)
    agr %r4, %r9
    basr %r14, %r4
    cghi %r13, 6
    jne fail

    lghi %r2, 7
    lgh %r4, 16(%r9)
    agr %r4, %r12
    basr %r14, %r4
    cghi %r13, 7
    jne fail

    lghi %r2, 8
    lgf %r4, 20(%r9)
    agr %r4, %r12
    basr %r14, %r4
    cghi %r13, 8
    jne fail

    lghi %r2, 9
    lg %r4, 24(%r9)
    agr %r4, %r12
    basr %r14, %r4
    cghi %r13, 9
    jne fail
    lghi %r2, 42
fail:
    svc 1 # exit

    # The tables are behind the last page of the module, and a distance of 12 bits reaches 4 KiB.
    .section .last, "aw"
    .p2align 12
    .zero 4096 - 64
short:
    bras %r14, far@PLT
preload:
    bprp 0, far@PLT, far@PLT
    .p2align 3
addresses:
    .reloc ., R_390_PLT32, far
    .long 0
    .p2align 3
    .reloc ., R_390_PLT64, far + 8
    .quad 0
    .reloc ., R_390_PLTOFF16, far
    .short 0
    .p2align 2
    .reloc ., R_390_PLTOFF32, far
    .long 0
    .reloc ., R_390_PLTOFF64, far
    .quad 0
.endif
