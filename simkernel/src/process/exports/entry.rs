//! An export before it has an address.

/// One export.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) gpl: bool,
    pub(super) kind: Kind,
}

/// The object that an exported symbol stands for.
pub(super) enum Kind {
    /// A function. Its stub aligns the stack and calls the function.
    Function(usize),
    /// A function with variable arguments. Its stub stores the argument registers, and passes the addresses of these
    /// and of the arguments on the stack.
    Variadic(usize),
    /// A few bytes of code that work on the caller's own stack and registers.
    Code(&'static [u8]),
    /// A `struct kernel_param_ops` whose functions are exports as well.
    ParamOps { set: &'static str, get: &'static str, free: Option<&'static str>, no_argument: bool },
    /// Zeroed, writable data.
    Zeros(usize),
}

/// Makes entries for functions whose symbols are their own names.
macro_rules! functions {
    ($kind:ident: $($name:ident),* $(,)?) => {
        [$($crate::process::exports::entry::Entry {
            name: stringify!($name),
            gpl: false,
            kind: $crate::process::exports::entry::Kind::$kind($name as *const () as usize),
        }),*]
    };
}
pub(super) use functions;
