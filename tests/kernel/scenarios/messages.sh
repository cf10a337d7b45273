#!/bin/busybox sh
# what relobox says of failures: a parameter or init, a module that is still initialising, who uses what, and what is switched off
#: modules slow
#: timeout 300
file=/extra/slow.ko

# says WHAT TEXT: it was in what the last command printed. not_said: it was not.
says() { if grep -qF -- "$2" /run/said; then ok "$1: $2"; else fail "$1: not '$2' but $(tail -n 2 /run/said | tr '\n' ' ')"; fi; }
not_said() { if grep -qF -- "$2" /run/said; then fail "$1: $(grep -F -- "$2" /run/said | head -n 1)"; else ok "$1: not '$2'"; fi; }

# The kernel says -22 and -28 for parameters too: init never ran.
for parameter in seconds=abc text=toolongatext; do
	refuse "$parameter is refused" load $file $parameter
	says "$parameter" "parameter '${parameter%%=*}' does not take this value"
	not_said "$parameter" "init returned"
done
for answer in -22 -28 -38 -17; do
	refuse "init's own $answer" load $file answer=$answer
	says "answer=$answer" "init returned $answer"
	not_said "answer=$answer" "parameter '"
done
expect "an odd answer" load $file answer=3
says "answer=3" "init returned 3"
expect "and unloads" unload slow

load $file seconds=8 >/run/slow 2>&1 &
loading=$!
until grep -q '^slow .* Loading ' /proc/modules; do sleep 0.2; done
refuse "a module that is initialising is not removed" unload slow
if [ "$WITH" = device ]; then
	says initialising "still being initialised"
	not_said initialising "so it cannot be removed"
fi
refuse "nor loaded again" load $file
wait $loading || fail "slow: $(cat /run/slow)"
says again "slow"
expect "then it is removed" unload slow

# Use counts are the kernel's, which counts more than modules.
with stock probe btrfs
relobox lsmod --json >/run/lsmod.json 2>/run/said || fail "lsmod: $(cat /run/said)"
relobox lsmod | sed 1d | while read -r name size uses users; do
	kernel=$(sed -n "s/^$name [0-9]* \([0-9-]*\) .*/\1/p" /proc/modules)
	[ "$uses" = "$kernel" ] || fail "lsmod: $name is used $uses times, and the kernel counts $kernel"
done
ok "lsmod: $(relobox lsmod | sed 1d | wc -l) modules with the kernel's use counts"

if [ "$WITH" = device ]; then
	expect "the device itself is removed" relobox rmmod relobox
	if grep -q '^relobox ' /proc/modules; then fail "the device is still there"; fi
	refuse "without it, the device cannot be chosen" relobox insmod --kernel device $file
	expect "and auto goes on by vet" relobox insmod $file
	says "auto" "vet"
	rmmod slow
	start_device
fi

echo 1 >/proc/sys/kernel/modules_disabled
refuse "after modules_disabled" load $file
says modules_disabled "kernel.modules_disabled is 1"
refuse "nor removed" relobox rmmod btrfs
says modules_disabled "kernel.modules_disabled is 1"
