#!/bin/sh
# Builds build/@NAME@.wasm: with rustup's toolchain and its target wasm32v1-none; where that target is not there, with
# Debian's rustc-web, if it is.
set -eu
cd "$(dirname "$0")"
crate=relobox_arch_$(echo @NAME@ | tr - _)
mkdir -p build

sysroot=$(rustc --print sysroot)
debian=${RUSTC_WEB:-/usr/bin/rustc}
if [ -d "$sysroot/lib/rustlib/wasm32v1-none" ]; then
    target=wasm32v1-none
    cargo build --locked --offline --release --lib --target $target "$@"
elif [ -x "$debian" ] && [ -d "$("$debian" --print sysroot)/lib/rustlib/src" ]; then
    # Debian's rustc-web has the sources of core (rust-web-src), which are built along.
    target=wasm32-unknown-unknown
    flags="-C target-cpu=mvp -C target-feature=+bulk-memory,+sign-ext -C link-arg=-zstack-size=65536"
    # Its linker is in rust-web-llvm; rustup's will do.
    host=$("$debian" -vV | sed -n 's/^host: //p')
    command -v rust-lld >/dev/null || flags="$flags -C linker=$sysroot/lib/rustlib/$host/bin/rust-lld"
    RUSTC=$debian RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags \
        cargo build --locked --offline --release --lib --target $target -Zbuild-std=core,alloc -Zbuild-std-features= "$@"
else
    echo "build.sh: no Rust compiler for WebAssembly; try:" >&2
    echo "    rustup target add wasm32v1-none" >&2
    echo "or, on Debian without rustup:" >&2
    echo "    apt-get install rustc-web rust-web-src rust-web-llvm cargo-web" >&2
    exit 1
fi
cp "${CARGO_TARGET_DIR:-target}/$target/release/$crate.wasm" build/@NAME@.wasm
printf '%s bytes  ' "$(wc -c <build/@NAME@.wasm)"
sha256sum build/@NAME@.wasm
