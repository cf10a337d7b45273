#!/bin/busybox sh
# modules bent in every way that a loader must notice: relobox refuses each, and the kernel never sees it
#: prepare bent
#: timeout 1200
#: silence 60
# Then stock insmod tries them all, in guests that may die: STATE is the line of the index that comes next, and whose turn it is.
bent=/extra/bent
good=$(file_of pcbc)
tracing=/sys/kernel/tracing
count=$(wc -l <$bent/index)

# How often a module was given to the kernel since the last question.
given() { grep -c 'sys_\(f\|\)init_module(' $tracing/trace; echo >$tracing/trace; }
row() { printf '@ row: %s\t%s\t%s\n' "$1" "$2" "$(echo "$3" | tr '\t|' '  ')" >$results; }

relobox_refuses() { # TOOL FROM
	local tool=$1 line=$2 name what said rc calls
	expect "$tool: the module as it was loads" with "$tool" load "$good" || return
	rmmod pcbc
	echo >$tracing/trace
	with "$tool" load "$good" >/dev/null
	expect "$tool: the count of finit_module calls works" [ "$(given)" = 1 ]
	rmmod pcbc
	remember
	while [ "$line" -le "$count" ]; do
		name=$(sed -n "${line}p" $bent/index | cut -f 1)
		what=$(sed -n "${line}p" $bent/index | cut -f 2)
		line=$((line + 1))
		say "resume $tool:$line"
		with "$tool" load "$bent/$name.ko" >/run/said 2>&1
		rc=$?
		said=$(head -n 1 /run/said | sed "s|^relobox: *||; s|$bent/||; s|$name.ko:* *||" | cut -c -150)
		calls=$(given)
		case $rc in
		1 | 2) ;;
		0) said="loaded: $said" ;;
		*) said="ended with $rc: $said" ;;
		esac
		if [ $rc = 1 ] || [ $rc = 2 ]; then
			[ -n "$said" ] || fail "$tool: $name refused without a word"
		else
			fail "$tool: $name ($what): $said"
		fi
		if [ "$calls" != 0 ]; then
			said="reached the kernel: $said"
			fail "$tool: $name ($what): $said"
		fi
		row "$name" "$tool" "$said"
		# What the kernel saw may have changed it.
		if [ "$calls" != 0 ]; then poweroff -f; fi
	done
	unchanged "$tool: after all of them"
}

# Stock insmod: what happens is recorded, not judged.
stock_tries() { # FROM
	local line=$1 name rc said ended
	while [ "$line" -le "$count" ]; do
		name=$(sed -n "${line}p" $bent/index | cut -f 1)
		line=$((line + 1))
		say "resume stock:$line"
		remember
		timeout 20 /kmod/insmod "$bent/$name.ko" 2>/run/said
		rc=$?
		said=$(dmesg | tail -n +$(($(cat /run/dmesg.before) + 1)) | sed 's/^\[[^]]*\] *//')
		if echo "$said" | grep -qE "$trouble"; then
			if [ $rc = 0 ]; then ended="loaded, with "; else ended=""; fi
			row "$name" stock "$ended$(echo "$said" | grep -E "$trouble" | head -n 1 | cut -c -80), $(echo "$said" | sed -n 's/^RIP: [0-9]*:/in /p' | head -n 1)"
			poweroff -f
		elif [ $rc = 143 ] || [ $rc = 124 ]; then
			row "$name" stock "does not come back"
			poweroff -f
		elif [ $rc = 0 ]; then
			# What it changed in memory is not known.
			row "$name" stock "loaded"
			timeout 20 /kmod/rmmod pcbc 2>/dev/null || poweroff -f
		else
			row "$name" stock "refused: $(sed 's/.*: //' /run/said | head -n 1) ($(echo "$said" | grep -v 'tainting kernel' | head -n 1 | cut -c -80))"
		fi
	done
}

cp $bent/index /out/bent.index
case $WITH in
device) phases='device vet stock' ;;
vet) phases='vet stock' ;;
stock) phases=stock ;;
esac
echo "$phases" | tr ' ' '\n' >/out/phases
from=${STATE#*:}
# Switching an event on or off patches the kernel's code, which now and then hangs an emulated machine, without anything of
# ours in it (one boot in some hundred switches): so it is done once, and only where calls are counted.
case $STATE in
stock:*) ;;
*)
	if [ -z "$STATE" ]; then say "resume ${phases%% *}:1"; fi
	echo 1 >$tracing/events/syscalls/sys_enter_finit_module/enable
	echo 1 >$tracing/events/syscalls/sys_enter_init_module/enable
	;;
esac
for phase in $phases; do
	# What was done before the guest died stays done.
	if [ -n "$STATE" ] && [ "$phase" != "${STATE%:*}" ]; then continue; fi
	STATE=''
	case $phase in
	stock)
		say "resume stock:${from:-1}"
		if grep -q '^relobox ' /proc/modules; then rmmod relobox; fi
		stock_tries "${from:-1}"
		;;
	*) relobox_refuses $phase "${from:-1}" ;;
	esac
	from=''
done
