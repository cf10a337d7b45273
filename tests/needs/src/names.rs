//! The names of needs.

/// The first words of the names of needs that are not programs.
pub(crate) const KINDS: [&str; 9] =
    ["wasm-rust", "wasm-c", "llvm", "root", "corpus", "kernel-memory", "oracles", "kernel", "programs"];

/// Every program that a test needs, with its Debian package.
pub(crate) const TOOLS: &[(&str, &str)] = &[
    ("aarch64-linux-gnu-ld", "binutils-aarch64-linux-gnu"),
    ("alpha-linux-gnu-ld", "binutils-alpha-linux-gnu"),
    ("arm-linux-gnueabi-ld", "binutils-arm-linux-gnueabi"),
    ("bash", "bash"),
    ("cc", "gcc"),
    ("depmod", "kmod"),
    ("gdb", "gdb"),
    ("git", "git"),
    ("gzip", "gzip"),
    ("ia64-linux-gnu-ld", "binutils-ia64-linux-gnu"),
    ("loongarch64-linux-gnu-ld", "binutils-loongarch64-linux-gnu"),
    ("m68k-linux-gnu-ld", "binutils-m68k-linux-gnu"),
    ("make", "make"),
    ("mips-linux-gnu-as", "binutils-mips-linux-gnu"),
    ("mips-linux-gnu-ld", "binutils-mips-linux-gnu"),
    ("mips64el-linux-gnuabi64-ld", "binutils-mips64el-linux-gnuabi64"),
    ("mipsel-linux-gnu-ld", "binutils-mipsel-linux-gnu"),
    ("modprobe", "kmod"),
    ("nm", "binutils"),
    ("objdump", "binutils"),
    ("powerpc64le-linux-gnu-ld", "binutils-powerpc64le-linux-gnu"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("readelf", "binutils"),
    ("riscv64-linux-gnu-as", "binutils-riscv64-linux-gnu"),
    ("riscv64-linux-gnu-ld", "binutils-riscv64-linux-gnu"),
    ("s390x-linux-gnu-ld", "binutils-s390x-linux-gnu"),
    ("shellcheck", "shellcheck"),
    ("strip", "binutils"),
    ("x86_64-linux-gnu-as", "binutils-x86-64-linux-gnu"),
    ("x86_64-linux-gnu-ld", "binutils-x86-64-linux-gnu"),
    ("xz", "xz-utils"),
    ("yaml2obj", "llvm"),
    ("zstd", "zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(TOOLS.is_sorted());
    }
}
