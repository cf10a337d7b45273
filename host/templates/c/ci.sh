#!/bin/sh
# Everything that must hold before a change goes in. Needs make, clang, wasm-ld, relobox.
set -eu
cd "$(dirname "$0")"
make test
