//! Sample modules in C for this kernel, and the compiler options for them. They are embedded, so that the demonstration
//! and tests do not need the repository.

/// The header that every sample includes.
pub const HEADER: (&str, &str) = ("sim_module.h", include_str!("../modules/sim_module.h"));

/// The names and sources, in an order in which the modules can be loaded.
pub const SOURCES: [(&str, &str); 6] = [
    ("hello.c", include_str!("../modules/hello.c")),
    ("math_provider.c", include_str!("../modules/math_provider.c")),
    ("math_user.c", include_str!("../modules/math_user.c")),
    ("counter.c", include_str!("../modules/counter.c")),
    ("failing.c", include_str!("../modules/failing.c")),
    ("crash.c", include_str!("../modules/crash.c")),
];

/// The options of `cc` besides the source and `-o`: no red zone, no vector registers, addresses as in kernel code.
pub const CFLAGS: [&str; 11] = [
    "-c",
    "-O2",
    "-ffreestanding",
    "-fno-pic",
    "-fno-pie",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-mno-sse",
    "-fno-asynchronous-unwind-tables",
    "-fcf-protection=none",
    "-fno-stack-protector",
];
