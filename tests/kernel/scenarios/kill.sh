#!/bin/busybox sh
# kill -9 at each system call of an insmod: what is left is a live module or nothing, and no memory is lost
#: tools kill-at
#: timeout 7200
# --set STEP=N takes every N-th call, --set MODULE=NAME another module; one with per-CPU data, of which the
# kernel has so little that a leak is soon noticed.
: "${STEP:=1}" "${MODULE:=zsmalloc}"
file=$(file_of "$MODULE")
for needed in $(chain "$MODULE"); do
	[ "$needed" = "$file" ] || insmod "$needed"
done
case $WITH in
stock) command="/kmod/insmod $file" ;;
*) command="relobox insmod --kernel $WITH $file" ;;
esac
if [ "$WITH" = stock ]; then processes=parent; else processes='parent child'; fi

case $(uname -m) in
x86_64) finit=313 ;;
aarch64) finit=273 ;;
esac

loaded() { grep -q "^$MODULE " /proc/modules; }
# What a killed command leaves, in a word.
outcome() {
	if loaded; then
		if ! grep -q "^$MODULE .* Live " /proc/modules; then
			fail "$1: the module is neither live nor gone: $(grep "^$MODULE " /proc/modules)"
		elif rmmod "$MODULE" 2>/run/said; then
			live=$((live + 1))
		else
			fail "$1: a live module that cannot be unloaded: $(cat /run/said)"
			return 1
		fi
	else
		gone=$((gone + 1))
	fi
	local tries=0
	while areas_now >/run/areas.after; [ "$(total /run/areas.before)" != "$(total /run/areas.after)" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then
			fail "$1: module memory was $(total /run/areas.before) bytes and is $(total /run/areas.after)"
			return 1
		fi
		usleep 50000
	done
}

# The first run compiles guests; the second is like all others.
$command && rmmod "$MODULE"
remember
for process in $processes; do
	child=''
	if [ $process = child ]; then child=-c; fi
	calls=$(kill-at $child -n $command 2>/dev/null | tail -n 1)
	expect "$process: loaded while counting $calls calls" rmmod "$MODULE" || break
	for moment in before after; do
		point=1 live=0 gone=0 killed=0 ended=0 when=''
		if [ $moment = after ]; then when=-x; fi
		while [ $point -le "$calls" ]; do
			kill-at $child $when $point $command >/run/killed 2>/run/said
			rc=$?
			words="$process killed $moment call $point (number $(tail -n 1 /run/killed))"
			case $rc in
			0) killed=$((killed + 1)) ;;
			1) ended=$((ended + 1)) ;;
			*) fail "$words: a process did not end: $(ps | grep '[r]elobox' | tr '\n' ' ')" ;;
			esac
			outcome "$words" || break 3
			point=$((point + STEP))
		done
		expect "$process killed $moment $killed of $calls calls: $live live, $gone gone; ended before $ended times" \
			[ "$killed" -gt 0 ]
	done
done
# One call takes long: killed at several moments inside it.
live=0 gone=0
for delay in 0 100 200 500 1000 2000 5000 10000 20000 50000; do
	kill-at -s $finit -u $delay 1 $command >/run/killed 2>/run/said || fail "not killed inside finit_module: $(cat /run/said)"
	outcome "killed $delay microseconds into finit_module" || break
done
expect "killed inside finit_module: $live live, $gone gone" [ $((live + gone)) -gt 0 ]
unchanged "after all kills"
expect "the module still loads" $command
expect "and unloads" rmmod "$MODULE"
