#!/bin/busybox sh
# every module of the package: the same ones load as with kmod, and /proc/modules agrees
#: against stock
#: tools elapsed
#: memory 4096
#: timeout 3600
# Dependencies first; what cannot be loaded is tried all the same, and its dependents fail like it. --set ONLY=NAME,NAME
# takes a few.
all_files | sed "s|^$MODULES/||" >/run/order
case $WITH in
stock) command=/kmod/insmod ;;
*) command="relobox insmod --kernel $WITH" ;;
esac
remember
lsmod | awk 'NR > 1 { print $1 }' >/run/there

# Guests are compiled before anything is timed.
$command "$(file_of pcbc)" 2>/dev/null && rmmod pcbc
sum=0 loaded=0
while read -r file; do
	name=$(name_of "$file")
	grep -qx "$name" /run/there && continue
	echo "$name" >/run/current
	took=$(elapsed $command "$MODULES/$file")
	sum=$((sum + ${took% *}))
	if [ "${took#* }" = 0 ]; then
		loaded=$((loaded + 1))
		echo "$name" >>/out/loaded
	else
		# Once more for its words; what failed has left nothing.
		echo "$name: $($command "$MODULES/$file" 2>&1 | tail -n 1 | cut -c -160)" >>/out/failed
	fi
done </run/order
sort -o /out/loaded /out/loaded
# Name, size, use count, users, state; what is in memory and how it is tied together.
awk '$1 != "relobox" { n = split($4, u, ","); line = ""; for (i = 1; i < n; i++) users[i] = u[i]
	for (i = 1; i < n; i++) for (j = i + 1; j < n; j++) if (users[j] < users[i]) { t = users[i]; users[i] = users[j]; users[j] = t }
	for (i = 1; i < n; i++) line = line users[i] ","
	print $1, $2, $3, line == "" ? "-" : line, $5 }' /proc/modules | sort >/out/modules
expect "loaded $loaded of $(wc -l </run/order), $((sum / 1000)) ms" [ "$loaded" -gt 0 ]
dmesg | grep -E "$trouble" | sed 's/^\[[^]]*\] *//' | sort >/out/trouble

# Away again, until nothing more goes; some have no exit.
before=0 after=1
while [ $before != $after ]; do
	before=$(wc -l </proc/modules)
	awk '$3 == 0 && $1 != "relobox" { print $1 }' /proc/modules | while read -r name; do
		grep -qx "$name" /run/there || unload "$name" 2>/dev/null
	done
	after=$(wc -l </proc/modules)
done
modules_now | awk '$1 != "relobox" { print $1 }' >/out/left
dmesg | grep -E "$trouble" | sed 's/^\[[^]]*\] *//' | sort >/out/trouble.unloaded
ok "left after unloading: $(wc -l </out/left)"
