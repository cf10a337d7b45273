#!/bin/sh
# Everything that must hold before a change goes in. Needs make, clang, wasm-ld, yaml2obj, readelf,
# relobox.
set -eu
cd "$(dirname "$0")"
make test
