#!/bin/busybox sh
# relobox call: a function of an object runs in the kernel, once; what it returns, what is refused, and that nothing stays
#: objects probe
#: tools kill-at
#: timeout 900
#: only device
# --set STEP=N kills at every N-th system call.
: "${STEP:=37}"
object=/extra/probe.o
says() { if grep -qF -- "$2" /run/said; then ok "$1: $2"; else fail "$1: not '$2' but $(tail -n 2 /run/said | tr '\n' ' ')"; fi; }
call() { relobox call --kernel device "$@"; }

if [ "$(uname -m)" != x86_64 ]; then
	# Debian's arm64 has no CONFIG_KALLSYMS_ALL.
	refuse "where the device cannot see kernel.modules_disabled" call $object --function answer
	exit 0
fi
# The first run compiles guests; the second is like all others.
call $object --function answer >/run/said 2>&1 || fail "the first call: $(cat /run/said)"
remember
expect "constants, data and zeros" call $object --function answer
says answer "probe.o: answer returned 42"
expect "the same again: nothing stayed" call $object --function answer
says answer "answer returned 42"
expect "the kernel's clock" call $object --function clock --json
says clock '"kernel": "device"'
tick=$(sed -n 's/.*"returned": *\([0-9-]*\).*/\1/p' /run/said)
expect "clock: it goes, and a tick is $tick ms" [ "$tick" -gt 0 -a "$tick" -le 10 ]
expect "a symbol for GPL-compatible code, with a licence" call $object --function boot_seconds
seconds=$(sed -n 's/.* returned //p' /run/said) up=$(cut -d . -f 1 /proc/uptime)
expect "boot_seconds: $seconds, and /proc/uptime says $up" [ $((up - seconds)) -ge 0 -a $((up - seconds)) -le 5 ]
expect "printk" call $object --function say
expect "the kernel's log has it" sh -c "dmesg | grep -q 'probe: it was called'"
unchanged "after calls"

# A kernel with IBT refuses a function without ENDBR on every processor; a kernel without IBT calls it.
if call $object --function unmarked >/run/said 2>&1; then
	says "without IBT" "unmarked returned 6"
	case $(uname -r) in 6.12.*) fail "a function without ENDBR was called" ;; esac
else
	says "with IBT" "-fcf-protection=branch"
	case $(uname -r) in 6.1.*) fail "6.1 has no IBT, and: $(cat /run/said)" ;; esac
fi

refuse "several functions, and none is named" call $object
says "several" "its global functions are answer, clock"
refuse "no such function" call $object --function none
says "no such function" "it has no global function 'none'; its global functions are answer"
refuse "unresolved symbols" call /extra/lacks.o
says unresolved "references 'no_such_function'"
refuse "one that exists, and that is not exported" call /extra/lacks.o
says unresolved "'find_symbol'"
refuse "a GPL-only symbol without a licence" call /extra/silent.o
says licence "has no licence"
cp $object /run/other.o
printf '\267' | dd of=/run/other.o bs=1 seek=18 conv=notrunc 2>/dev/null
refuse "another machine's object" call /run/other.o --function answer
says "another machine" "the object is for aarch64"
refuse "a module" call "$(file_of pcbc)"
says "a module" "'relobox insmod' loads it"
echo nonsense >/run/text.o
refuse "no object" call /run/text.o
unchanged "after refusals"

echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
chmod 755 /
chmod 666 /dev/relobox
refuse "without CAP_SYS_MODULE" su nobody -c "relobox call --kernel device $object --function answer"
says "without CAP_SYS_MODULE" "a process needs CAP_SYS_MODULE"
chmod 600 /dev/relobox

# While a function runs its code is there, and nothing is writable and executable.
relobox call --kernel device $object --function linger >/run/linger 2>&1 &
lingering=$!
until [ "$(total /run/areas.now)" -gt "$(total /run/areas.before)" ]; do
	areas_now >/run/areas.now
	usleep 100000
done
usleep 1000000
if [ -e /sys/kernel/debug/check_wx_pages ]; then
	expect "the kernel finds no page that is writable and executable" grep -q SUCCESS /sys/kernel/debug/check_wx_pages
fi
kill -9 $lingering
usleep 500000
areas_now >/run/areas.now
expect "killed in its call, it is there until that is over: $(total /run/areas.now) bytes" \
	[ "$(total /run/areas.now)" -gt "$(total /run/areas.before)" -a -d /proc/$lingering ]
wait $lingering
expect "then it has ended, and printed nothing" [ ! -s /run/linger ]
expect "after the function" sh -c "dmesg | grep -q 'probe: it has lingered'"
unchanged "after a kill in mid call"

# Killed at each STEP-th system call of both processes.
command="relobox call --kernel device $object --function answer"
for process in parent child; do
	child='' point=1 killed=0
	if [ $process = child ]; then child=-c; fi
	calls=$(kill-at $child -n $command 2>/dev/null | tail -n 1)
	while [ $point -le "$calls" ]; do
		kill-at $child $point $command >/run/killed 2>/run/said
		case $? in
		0) killed=$((killed + 1)) ;;
		1) ;;
		*) fail "$process killed before call $point: a process did not end: $(ps | grep '[r]elobox' | tr '\n' ' ')" ;;
		esac
		point=$((point + STEP))
	done
	expect "$process: killed before $killed of $calls system calls" [ "$killed" -gt 0 ]
done
unchanged "after kills"
expect "a module still loads" load "$(file_of pcbc)"
expect "and unloads" unload pcbc

# The last ones: each leaves something in the kernel.
call $object --function overwrite >/run/said 2>&1
expect "a function that overwrites its code does not return" sh -c '! grep -q returned /run/said'
dmesg | tail -n +$(($(cat /run/dmesg.before) + 1)) >/run/oops
expect "it was a write to a page that may not be written: $(grep -m 1 -o 'BUG: .*' /run/oops)" \
	grep -q 'supervisor write access' /run/oops
expect "by rights of the page" grep -q 'permissions violation' /run/oops
dmesg | wc -l >/run/dmesg.before
unchanged "after a function's Oops"
expect "and functions are called as ever" call $object --function answer

mount -t securityfs none /sys/kernel/security 2>/dev/null
expect "lockdown" sh -c "echo integrity >/sys/kernel/security/lockdown"
refuse "under lockdown" call $object --function answer
says lockdown "signed code only"
echo 1 >/proc/sys/kernel/modules_disabled
refuse "after modules_disabled" call $object --function answer
says modules_disabled "kernel.modules_disabled is 1"
quiet "at last"
