#!/bin/sh
# Everything that must hold before a change goes in. Needs cargo, a compiler for WebAssembly (see
# build.sh), yaml2obj, readelf, relobox.
set -eu
cd "$(dirname "$0")"
cargo test --locked --offline
./build.sh
"${RELOBOX:-relobox}" plugin test build/@NAME@.wasm
example/check.sh
