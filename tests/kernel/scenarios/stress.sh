#!/bin/busybox sh
# 24 descriptors and 6 threads in processes that are killed, with racing loads, where a warning of the kernel is the end
#: tools stress
#: only device
#: timeout 600
#: append panic_on_warn=1 oops=panic
# --set SECONDS_EACH=N with each kind of hook.
: "${SECONDS_EACH:=40}"
rmmod relobox
echo 1 >/proc/sys/kernel/kptr_restrict
# What four processes ask for at random may use up the per-CPU memory that the kernel keeps for modules; then it says who
# asked. That is not trouble.
dmesg() { /bin/dmesg | awk '/percpu: allocation failed/ { told = 1 } !told { print } /<\/TASK>/ { told = 0 }'; }
# For kprobes the kernel makes a page of code, which it keeps.
insmod /extra/relobox.ko hooks=kprobe && rmmod relobox
remember
mkdir -p /run/ko
for name in nf_dup_netdev nls_utf8 pcbc zsmalloc; do
	file=$(file_of $name)
	case $file in
	*.xz) xz -dc "$file" >/run/ko/$name.ko ;;
	*) cp "$file" /run/ko/$name.ko ;;
	esac
done
expect "a warning ends this guest" [ "$(cat /proc/sys/kernel/panic_on_warn /proc/sys/kernel/panic_on_oops | tr -d '\n')" = 11 ]
# What is done at first use is done in the first milliseconds after loading. So the device is loaded anew for each of many
# distances between the LISTs; a device that filled a table in its first LIST died of this in the first rounds.
for round in 1 2 3 4 5 6 7 8; do
	for step in 10 20 40 60 80 100 150 200 300 1000 8000; do
		insmod /extra/relobox.ko
		/bin/stress --lists $step >/run/lists 2>&1 || fail "a new device, round $round, $step microseconds apart: $(cat /run/lists)"
		rmmod relobox
	done
	ok "round $round: a new device, 24 LISTs 10 to 8000 microseconds apart"
done
for hooks in ftrace kprobe; do
	expect "$hooks: the device comes" insmod /extra/relobox.ko hooks=$hooks
	/bin/stress "$SECONDS_EACH" /run/ko/*.ko >"/out/$hooks" 2>&1
	rc=$?
	grep '^FAIL' "/out/$hooks" | while read -r line; do fail "$hooks: $line"; done
	grep -q '^stress: ' "/out/$hooks" || fail "$hooks: it ended after $(tail -n 1 "/out/$hooks")"
	grep ' calls, ' "/out/$hooks" | while read -r line; do note "$hooks: $line"; done
	expect "$hooks: $(grep -c '^ok' "/out/$hooks") checks" [ $rc = 0 ]
	expect "$hooks: the device goes" rmmod relobox
done
rm -r /run/ko
unchanged "after the stress"
