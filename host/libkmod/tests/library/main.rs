//! `libkmod.so.2` as C programs see it: the one that `scripts/build-libkmod` has built, beside `relobox-linker`.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod built;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod suite;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod udev;

use relobox_needs::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    let tests = linux::tests();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    let tests = [];
    relobox_needs::run(tests)
}
