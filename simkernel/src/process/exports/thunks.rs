//! Functions that code compiled with a distribution's kernel options calls although its source does not.

use super::entry::{Entry, Kind};

pub(super) fn entries() -> Vec<Entry> {
    const RET: &[u8] = &[0xc3];
    // jmp *%reg, with the numbers of registers in the instruction set.
    const JUMPS: [(&str, &[u8]); 15] = [
        ("__x86_indirect_thunk_rax", &[0xff, 0xe0]),
        ("__x86_indirect_thunk_rcx", &[0xff, 0xe1]),
        ("__x86_indirect_thunk_rdx", &[0xff, 0xe2]),
        ("__x86_indirect_thunk_rbx", &[0xff, 0xe3]),
        ("__x86_indirect_thunk_rbp", &[0xff, 0xe5]),
        ("__x86_indirect_thunk_rsi", &[0xff, 0xe6]),
        ("__x86_indirect_thunk_rdi", &[0xff, 0xe7]),
        ("__x86_indirect_thunk_r8", &[0x41, 0xff, 0xe0]),
        ("__x86_indirect_thunk_r9", &[0x41, 0xff, 0xe1]),
        ("__x86_indirect_thunk_r10", &[0x41, 0xff, 0xe2]),
        ("__x86_indirect_thunk_r11", &[0x41, 0xff, 0xe3]),
        ("__x86_indirect_thunk_r12", &[0x41, 0xff, 0xe4]),
        ("__x86_indirect_thunk_r13", &[0x41, 0xff, 0xe5]),
        ("__x86_indirect_thunk_r14", &[0x41, 0xff, 0xe6]),
        ("__x86_indirect_thunk_r15", &[0x41, 0xff, 0xe7]),
    ];
    let mut all: Vec<Entry> =
        JUMPS.iter().map(|(name, code)| Entry { name, gpl: false, kind: Kind::Code(code) }).collect();
    for name in ["__fentry__", "__x86_return_thunk", "__cond_resched"] {
        // __cond_resched returns an int: xor %eax,%eax first.
        let code: &[u8] = if name == "__cond_resched" { &[0x31, 0xc0, 0xc3] } else { RET };
        all.push(Entry { name, gpl: false, kind: Kind::Code(code) });
    }
    all
}
