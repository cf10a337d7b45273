//! Sample modules in C for this kernel, and how to compile them: for demonstrations and tests, also where the
//! repository is not at hand.

/// The header that every sample includes.
pub const HEADER: (&str, &str) = ("sim_module.h", include_str!("../modules/sim_module.h"));

/// Names and sources, in an order in which they can be loaded.
pub const SOURCES: [(&str, &str); 6] = [
    ("hello.c", include_str!("../modules/hello.c")),
    ("math_provider.c", include_str!("../modules/math_provider.c")),
    ("math_user.c", include_str!("../modules/math_user.c")),
    ("counter.c", include_str!("../modules/counter.c")),
    ("failing.c", include_str!("../modules/failing.c")),
    ("crash.c", include_str!("../modules/crash.c")),
];

/// What `cc` is given besides the source and `-o`: no red zone, no vector registers, the addresses of kernel code.
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
