#!/bin/busybox sh
# with the device's parameter strict, the kernel loads nothing that relobox did not link; and how that ends
#: timeout 300
#: only device
parameter=/sys/module/relobox/parameters/strict
file=$(file_of nls_utf8)
says() { if grep -qF -- "$2" /run/said; then ok "$1: $2"; else fail "$1: not '$2' but $(tail -n 2 /run/said | tr '\n' ' ')"; fi; }

# Where the kernel's own requests go.
printf '#!/bin/sh\nexec /kmod/modprobe "$@"\n' >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe

expect "at first it is off" grep -qx N $parameter
expect "stock insmod" with stock load "$file"
expect "and out" rmmod nls_utf8
expect "the kernel's own request" sh -c 'mount -t xfs none /mnt 2>/dev/null; grep -q "^xfs " /proc/modules'
expect "and out" modprobe -r xfs
remember

expect "strict" sh -c "echo 1 >$parameter"
expect "its parameter says so" grep -qx Y $parameter
refuse "stock insmod" with stock load "$file"
says "stock insmod" "Operation not permitted"
refuse "stock modprobe" with stock probe xfs
refuse "vet" relobox insmod --kernel vet "$file"
says "vet" "strict"
refuse "the kernel's own request" sh -c 'mount -t xfs none /mnt 2>/dev/null; grep -q "^xfs " /proc/modules'
expect "the kernel's log names it" sh -c "dmesg | grep -q 'relobox: nls_utf8 was not linked by relobox: refused'"
expect "relobox, by the device" load "$file"
expect "and out" unload nls_utf8
expect "a chain" probe btrfs
expect "and out" unprobe btrfs
refuse "the device is not unloaded meanwhile" rmmod relobox
refuse "no other value" sh -c "echo perhaps >$parameter"
expect "and it is still on" grep -qx Y $parameter

expect "off, without a reboot" sh -c "echo 0 >$parameter"
unchanged "after strict"
expect "stock insmod again" with stock load "$file"
expect "and out" rmmod nls_utf8
# Both ways at the same time as loads: a thread that is being refused is in the device's code.
for i in $(seq 40); do insmod "$file" 2>/dev/null && rmmod nls_utf8; done &
loading=$!
for i in $(seq 40); do echo 1 >$parameter; echo 0 >$parameter; done
wait $loading
if grep -q '^nls_utf8 ' /proc/modules; then rmmod nls_utf8; fi
unchanged "after switching during loads"

expect "the device is unloaded" rmmod relobox
set -- /extra/relobox*.ko
expect "and loaded strict, as modprobe.d has it" insmod "$1" strict=1
refuse "stock insmod" with stock load "$file"
expect "relobox, by the device" load "$file"
expect "and out" unload nls_utf8
