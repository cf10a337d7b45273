#!/bin/busybox sh
# several insmods and rmmods at once, by relobox and by kmod: none disturbs another
#: timeout 1800
# --set ROUNDS=N rounds of each of five workers.
: "${ROUNDS:=10}"

# They use nfnetlink or nothing. It stays loaded, and several processes change its use count at once.
insmod "$(file_of nfnetlink)"
load "$(file_of pcbc)" && rmmod pcbc
remember

worker() { # TOOL MODULE...
	local tool=$1 round=0 name bad=0
	shift
	while [ $round -lt "$ROUNDS" ]; do
		round=$((round + 1))
		for name in "$@"; do
			with "$tool" load "$(file_of "$name")" 2>"/run/$1.said" || { bad=$((bad + 1)); say "fail: $tool insmod $name: $(head -n 2 "/run/$1.said" | tr '\n' ' ')"; continue; }
			grep -q "^$name .* Live " /proc/modules || { bad=$((bad + 1)); say "fail: $name is not live"; }
		done
		for name in "$@"; do
			rmmod "$name" 2>"/run/$1.said" || { bad=$((bad + 1)); say "fail: rmmod $name: $(cat "/run/$1.said")"; }
		done
	done
	echo "$bad" >"/run/$1.bad"
}
worker "$WITH" pcbc zsmalloc &
worker "$WITH" nfnetlink_log psample &
worker "$WITH" x_tables &
worker stock nfnetlink_queue dummy &
worker stock michael_mic act_mirred &
wait
for bad in pcbc nfnetlink_log x_tables nfnetlink_queue michael_mic; do
	expect "worker with $bad: $ROUNDS rounds" [ "$(cat /run/$bad.bad)" = 0 ]
done
unchanged "after $ROUNDS rounds of five workers"

# The same module twice at once: one of the two wins, and the other is told so.
round=0 wins=0
while [ $round -lt "$ROUNDS" ]; do
	round=$((round + 1))
	for one in 1 2; do
		(load "$(file_of zsmalloc)" 2>/run/one.$one; echo $? >/run/rc.$one) &
	done
	wait
	if [ "$(cat /run/rc.1 /run/rc.2 | grep -c '^0$')" = 1 ]; then wins=$((wins + 1)); fi
	rmmod zsmalloc
done
expect "the same module twice: one of two in $wins of $ROUNDS rounds" [ $wins = "$ROUNDS" ]
unchanged "after $ROUNDS races"
