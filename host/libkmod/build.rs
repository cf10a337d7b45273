//! Compiles the part that takes a `va_list`, which stable Rust cannot make.

fn main() {
    println!("cargo::rerun-if-changed=src/log.c");
    cc::Build::new().file("src/log.c").warnings(true).compile("relobox_libkmod_log");
}
