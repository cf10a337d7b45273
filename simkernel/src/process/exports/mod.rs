//! What the kernel offers to modules: functions with the C calling convention, and some data.

mod format;
mod heap;
mod image;
mod numbers;
mod param;
mod print;
mod string;
mod sync;

pub(crate) use heap::held;
pub(crate) use image::Image;

/// One export.
struct Entry {
    name: &'static str,
    gpl: bool,
    kind: Kind,
}

/// What an exported symbol stands for.
enum Kind {
    /// A function; its stub aligns the stack and jumps.
    Function(usize),
    /// A function with `...`: its stub spills the argument registers and passes their address, and that of the
    /// arguments on the stack.
    Variadic(usize),
    /// A few bytes of code that work on the caller's own stack and registers.
    Code(&'static [u8]),
    /// A `struct kernel_param_ops` whose functions are exports too.
    ParamOps { set: &'static str, get: &'static str, free: Option<&'static str>, no_argument: bool },
    /// Zeroed, writable data.
    Zeros(usize),
}

/// Functions under their own names.
macro_rules! functions {
    ($kind:ident: $($name:ident),* $(,)?) => {
        [$($crate::process::exports::Entry {
            name: stringify!($name),
            gpl: false,
            kind: $crate::process::exports::Kind::$kind($name as *const () as usize),
        }),*]
    };
}
use functions;

/// Everything, in the order in which it gets addresses.
fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(print::entries());
    all.extend(heap::entries());
    all.extend(string::entries());
    all.extend(numbers::entries());
    all.extend(param::entries());
    all.extend(sync::entries());
    all.extend(thunks());
    all
}

/// What code compiled with a distribution's kernel flags calls without its source saying so.
fn thunks() -> Vec<Entry> {
    const RET: &[u8] = &[0xc3];
    // jmp *%reg, in the register numbering of the instruction set.
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
