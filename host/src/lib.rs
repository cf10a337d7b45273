//! Links Linux kernel modules outside the kernel, inside a WebAssembly sandbox
