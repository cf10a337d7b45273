#!/bin/sh
# Links object.yaml's object with build/@NAME@.wasm, and compares .text with what was recorded.
#
#   example/check.sh [--record]      needs yaml2obj (Debian: llvm) and readelf (binutils)
#
# Exit code 0: the bytes are as recorded; 1: they differ, or do not link; 77: nothing was checked, for want of a tool.
#
# There need be no assembler for an architecture: yaml2obj writes any ELF file.
set -eu
cd "$(dirname "$0")/.."
relobox=${RELOBOX:-relobox}
for tool in yaml2obj:llvm readelf:binutils; do
    command -v "${tool%:*}" >/dev/null && continue
    echo "check.sh: nothing was checked: there is no ${tool%:*} (Debian: apt-get install ${tool#*:})" >&2
    exit 77
done
yaml2obj example/object.yaml -o build/object.o
"$relobox" link build/object.o --symbols example/symbols.map --plugin-dir build -o build/object.elf
# `readelf -x` prints address, four words, and the same as text: the first two are wanted.
readelf -x .text build/object.elf 2>/dev/null | sed -n 's/^  \(0x[0-9a-f ]\{44\}\).*/\1/p' >build/text
if [ "${1-}" = --record ]; then
    cp build/text example/text.expected
fi
diff -u example/text.expected build/text
echo "example: .text is as recorded"
