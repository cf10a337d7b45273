#!/bin/busybox sh
# modules bent in every way that a loader must notice: relobox refuses each, and the kernel never sees it
#: prepare bent
#: timeout 1200
# Then stock insmod tries them all, in guests that may die: STATE is the line of the index that comes next.
bent=/extra/bent
good=$(file_of pcbc)
tracing=/sys/kernel/tracing
count=$(wc -l <$bent/index)

# How often a module was given to the kernel since the last question.
given() { grep -c 'sys_\(f\|\)init_module(' $tracing/trace; echo >$tracing/trace; }
row() { printf '@ row: %s\t%s\t%s\n' "$1" "$2" "$(echo "$3" | tr '\t|' '  ')" >$results; }

relobox_refuses() { # TOOL
	local tool=$1 name what said rc refused=0
	expect "$tool: the module as it was loads" with "$tool" load "$good" || return
	echo >$tracing/trace
	with "$tool" unload pcbc
	with "$tool" load "$good" >/dev/null
	expect "$tool: the count of finit_module calls works" [ "$(given)" = 1 ]
	with "$tool" unload pcbc
	remember
	while IFS='	' read -r name what; do
		with "$tool" load "$bent/$name.ko" >/run/said 2>&1
		rc=$?
		said=$(head -n 1 /run/said | sed "s|^relobox: *||; s|$bent/||; s|$name.ko:* *||" | cut -c -150)
		calls=$(given)
		if [ $rc = 1 ] || [ $rc = 2 ]; then
			refused=$((refused + 1))
			[ -s /run/said ] || fail "$tool: $name refused without a word"
		elif [ $rc = 0 ]; then
			fail "$tool: $name ($what) was loaded"
			said="loaded: $said"
			rmmod pcbc
		else
			fail "$tool: $name ended with $rc: $said"
		fi
		[ "$calls" = 0 ] || { fail "$tool: $name ($what) reached the kernel: $said"; said="the kernel decided: $said"; }
		row "$name" "$tool" "$said"
	done <$bent/index
	if [ $refused = "$count" ]; then ok "$tool: refused $refused of $count"; fi
	unchanged "$tool: after all of them"
}

# Stock insmod: what happens is recorded, not judged.
stock_tries() { # FROM
	local line=$1 name rc said
	while [ "$line" -le "$count" ]; do
		name=$(sed -n "${line}p" $bent/index | cut -f 1)
		line=$((line + 1))
		say "resume $line"
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
if [ -z "$STATE" ]; then
	insmod "$(file_of pcbc)" && rmmod pcbc || fail "stock insmod does not load the module as it was"
	if [ "$WITH" != stock ]; then
		echo 1 >$tracing/events/syscalls/sys_enter_finit_module/enable
		echo 1 >$tracing/events/syscalls/sys_enter_init_module/enable
		relobox_refuses "$WITH"
		[ "$WITH" = vet ] || relobox_refuses vet
		echo 0 >$tracing/events/enable
	fi
fi
stock_tries "${STATE:-1}"
ok "stock insmod tried $count"
