#!/bin/busybox sh
# how long relobox takes beside kmod: insmod of many modules, and modprobe of a chain, in the same boot
#: tools elapsed
#: timeout 3600
# --set ROUNDS=N; --set LIST=NAME,NAME... other modules.
: "${ROUNDS:=5}" "${CHAIN:=btrfs}"
: "${LIST:=xfs,btrfs,zram,dm_crypt,raid456,nf_conntrack,nf_tables,openvswitch,bonding,nfsd,cifs,ceph,fuse,wireguard,virtio_net}"

for name in $(echo "$LIST" | tr ',' ' '); do chain "$name"; done | awk '!seen[$0]++' >/run/files
# Those whose init succeeds and that can be unloaded.
remember
while read -r file; do
	name=$(name_of "$file")
	grep -q "^$name " /proc/modules || { insmod "$file" 2>/dev/null && echo "$file"; }
done </run/files >/run/loadable
unload_all() { tac /run/loadable | while read -r file; do rmmod "$(name_of "$file")"; done; }
expect "$(wc -l </run/loadable) modules to load" [ -s /run/loadable ]
unload_all
unchanged "loaded and unloaded once"

command_of() { # TOOL insmod|modprobe
	case $1 in
	stock) echo "/kmod/$2" ;;
	*) echo "relobox $2 --kernel $1" ;;
	esac
}
sweep() { # TOOL: sum in microseconds
	local insmod sum=0 took
	insmod=$(command_of "$1" insmod)
	while read -r file; do
		took=$(elapsed $insmod "$file")
		[ "${took#* }" = 0 ] || fail "$1: insmod $(name_of "$file") ended with ${took#* }"
		sum=$((sum + ${took% *}))
		echo "$(name_of "$file") ${took% *}" >>"/out/insmod.$1"
	done </run/loadable
	unload_all
	echo "$sum" >>"/run/sweep.$1"
}
probe_chain() {
	local took
	took=$(elapsed $(command_of "$1" modprobe) "$CHAIN")
	[ "${took#* }" = 0 ] || fail "$1: modprobe $CHAIN ended with ${took#* }"
	modprobe -r "$CHAIN"
	for left in $(chain "$CHAIN" | tac); do rmmod "$(name_of "$left")" 2>/dev/null; done
	echo "${took% *}" >>"/run/probe.$1"
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
ratio() { awk -v a="$(median "/run/$1.$WITH")" -v b="$(median "/run/$1.stock")" 'BEGIN { printf "%.2f", a / b }'; }
ms() { awk -v us="$(median "$1")" 'BEGIN { printf "%.1f ms", us / 1000 }'; }

# Guests are compiled once, and kept.
sweep "$WITH"
rm -f "/run/sweep.$WITH" "/out/insmod.$WITH"
round=0
while [ $round -lt "$ROUNDS" ]; do
	if [ $((round % 2)) = 0 ]; then order="stock $WITH"; else order="$WITH stock"; fi
	for tool in $order; do
		sweep "$tool"
		probe_chain "$tool"
	done
	round=$((round + 1))
done
ok "insmod of $(wc -l </run/loadable) modules, median of $ROUNDS: kmod $(ms /run/sweep.stock), $WITH $(ms "/run/sweep.$WITH"), ratio $(ratio sweep)"
ok "modprobe $CHAIN, median of $ROUNDS: kmod $(ms /run/probe.stock), $WITH $(ms "/run/probe.$WITH"), ratio $(ratio probe)"
unchanged "after all rounds"
