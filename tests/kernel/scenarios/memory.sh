#!/bin/busybox sh
# every module's memory before its init runs: what the kernel relocates, and what relobox does, byte by byte
#: programs misload
#: modules snapshot
#: memory 4096
#: timeout 3600
#: only device
# Addresses are steered, the relocations left to the kernel; relobox has relocated a copy for the same addresses.
# --set ONLY=NAME,NAME takes a few modules, with what they need.
expect "the snapshots are taken" insmod /extra/snapshot.ko
all_files >/run/order
lsmod | awk 'NR > 1 { print $1 }' >/run/there
while read -r file; do
	grep -qx "$(name_of "$file")" /run/there || echo "$file"
done </run/order >/run/files
xargs misload compare </run/files >/out/compared 2>&1
same=$(grep -c ': same, ' /out/compared)
differs=$(grep -c ': differs ' /out/compared)
bytes=$(awk '/: same, / { sum += $3 } END { printf "%d", sum }' /out/compared)
grep ': differs \|: not compared' /out/compared | head -n 20 | while read -r line; do note "$line"; done
if [ "$differs" = 0 ] && [ "$same" -gt 0 ]; then
	ok "$same of $(wc -l </run/files) modules: the same $bytes bytes"
else
	fail "$differs of $(wc -l </run/files) modules differ, $same do not"
fi
