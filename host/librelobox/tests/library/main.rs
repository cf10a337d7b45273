//! `librelobox.so.1` as C programs see it: the one that `scripts/build-librelobox` has built, beside `relobox-linker`.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod built;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;

use relobox_needs::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    let tests = linux::tests();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    let tests = [];
    relobox_needs::run(tests)
}
