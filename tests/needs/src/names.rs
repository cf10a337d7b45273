//! The names of needs.

/// The first words of the names of needs that are not programs.
pub(crate) const KINDS: [&str; 11] = [
    "wasm-rust",
    "wasm-c",
    "llvm",
    "root",
    "corpus",
    "kernel-memory",
    "kmod-34",
    "oracles",
    "kernel",
    "programs",
    "python3-cffi",
];

/// Every program that a test needs, with its Debian package, or the script that builds it.
pub(crate) const TOOLS: &[(&str, &str)] = &[
    ("aarch64-linux-gnu-ld", "binutils-aarch64-linux-gnu"),
    ("alpha-linux-gnu-ld", "binutils-alpha-linux-gnu"),
    ("arc-linux-gnu-ld", "binutils-arc-linux-gnu"),
    ("arm-linux-gnueabi-ld", "binutils-arm-linux-gnueabi"),
    ("bash", "bash"),
    ("cc", "gcc"),
    ("csky-linux-gnu-ld", "tests/scripts/build-linkers"),
    ("depmod", "kmod"),
    ("gdb", "gdb"),
    ("git", "git"),
    ("gzip", "gzip"),
    ("hppa-linux-gnu-ld", "binutils-hppa-linux-gnu"),
    ("hppa64-linux-gnu-ld", "binutils-hppa64-linux-gnu"),
    ("ia64-linux-gnu-ld", "binutils-ia64-linux-gnu"),
    ("loongarch64-linux-gnu-ld", "binutils-loongarch64-linux-gnu"),
    ("m68k-linux-gnu-ld", "binutils-m68k-linux-gnu"),
    ("make", "make"),
    ("microblaze-linux-gnu-ld", "tests/scripts/build-linkers"),
    ("mips-linux-gnu-as", "binutils-mips-linux-gnu"),
    ("mips-linux-gnu-ld", "binutils-mips-linux-gnu"),
    ("mips64el-linux-gnuabi64-ld", "binutils-mips64el-linux-gnuabi64"),
    ("mipsel-linux-gnu-ld", "binutils-mipsel-linux-gnu"),
    ("modprobe", "kmod"),
    ("nios2-linux-gnu-ld", "tests/scripts/build-linkers"),
    ("nm", "binutils"),
    ("objdump", "binutils"),
    ("openssl", "openssl"),
    ("or1k-elf-ld", "binutils-or1k-elf"),
    ("powerpc64le-linux-gnu-ld", "binutils-powerpc64le-linux-gnu"),
    ("python3", "python3"),
    ("qemu-aarch64-static", "qemu-user-static"),
    ("qemu-aarch64_be-static", "qemu-user-static"),
    ("qemu-riscv32-static", "qemu-user-static"),
    ("qemu-riscv64-static", "qemu-user-static"),
    ("qemu-s390x-static", "qemu-user-static"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("readelf", "binutils"),
    ("riscv64-linux-gnu-as", "binutils-riscv64-linux-gnu"),
    ("riscv64-linux-gnu-ld", "binutils-riscv64-linux-gnu"),
    ("s390x-linux-gnu-ld", "binutils-s390x-linux-gnu"),
    ("sh4-linux-gnu-ld", "binutils-sh4-linux-gnu"),
    ("shellcheck", "shellcheck"),
    ("sign-file", "linux-kbuild-6.1"),
    ("sparc64-linux-gnu-ld", "binutils-sparc64-linux-gnu"),
    ("strace", "strace"),
    ("strip", "binutils"),
    ("systemd-analyze", "systemd"),
    ("timeout", "coreutils"),
    ("udevadm", "udev"),
    ("unshare", "util-linux"),
    ("valgrind", "valgrind"),
    ("x86_64-linux-gnu-as", "binutils-x86-64-linux-gnu"),
    ("x86_64-linux-gnu-ld", "binutils-x86-64-linux-gnu"),
    ("xtensa-lx106-elf-ld", "binutils-xtensa-lx106"),
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
