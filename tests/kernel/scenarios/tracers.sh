#!/bin/busybox sh
# the device's own test with BPF programs and tracers on the functions that it hooks, from before it came and from after
#: tools selftest bpf-attach
#: modules replaced
#: only device
#: timeout 900
rmmod relobox
# As the self-test wants it, so that nothing changes later.
echo 1 >/proc/sys/kernel/kptr_restrict
echo 1 >/proc/sys/kernel/bpf_stats_enabled
remember
mkdir -p /run/ko
for name in cifs_arc4 nf_dup_netdev; do
	file=$(file_of $name)
	case $file in
	*.xz) xz -dc "$file" >/run/ko/$name.ko ;;
	*) cp "$file" /run/ko/$name.ko ;;
	esac
done
case $(uname -r) in
6.1.*) functions='module_alloc __alloc_reserved_percpu module_finalize' ;;
*) functions='execmem_alloc pcpu_alloc_noprof module_finalize' ;;
esac

# try NAME: the self-test.
try() {
	local rc
	insmod /run/ko/cifs_arc4.ko
	/bin/selftest --short cifs_arc4_crypt cifs_arc4 /run/ko/nf_dup_netdev.ko >"/out/$1" 2>&1
	rc=$?
	grep '^FAIL' "/out/$1" | while read -r line; do fail "$1: $line"; done
	grep -q '^selftest: ' "/out/$1" || fail "$1: it ended after $(tail -n 1 "/out/$1")"
	expect "$1: $(grep -c '^ok' "/out/$1") checks, $(sed -n "s/.* hooks '\([a-z]*\)'.*/\1/p" "/out/$1")" [ $rc = 0 ]
}
# attach KIND: a program of this kind on each hooked function, until detach NAME, which also tells that each of them ran.
attach() {
	local tries=0
	bpf-attach "$1" $functions >/run/bpf 2>&1 &
	tracer=$!
	until grep -q '^attached$' /run/bpf; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then fail "$1: $(cat /run/bpf)"; return 1; fi
		usleep 100000
	done
}
detach() {
	kill $tracer
	wait $tracer
	expect "$1: the programs ran: $(grep -v attached /run/bpf | tr '\n' ';')" \
		[ "$(awk '$3 > 20' /run/bpf | wc -l)" = "$(echo $functions | wc -w)" ]
}

for hooks in ftrace kprobe; do
	for kind in fentry fexit; do
		attach $kind
		expect "$hooks: the device comes to a $kind program" insmod /extra/relobox.ko hooks=$hooks
		try "$hooks-$kind-before"
		detach "$hooks-$kind-before"
		attach $kind
		try "$hooks-$kind-after"
		detach "$hooks-$kind-after"
		expect "$hooks: the device goes" rmmod relobox
	done
done

# Everything else that can be on a function: the graph tracer, probes of its entry and of its return.
tracing=/sys/kernel/tracing
for name in $functions; do
	echo "$name" >>$tracing/set_ftrace_filter
	echo "p:entry_$name $name" >>$tracing/kprobe_events
	echo "r:return_$name $name result=\$retval" >>$tracing/kprobe_events
done
for hooks in ftrace kprobe; do
	for order in before after; do
		[ $order = before ] || expect "$hooks: the device comes" insmod /extra/relobox.ko hooks=$hooks
		echo function_graph >$tracing/current_tracer
		echo 1 >$tracing/events/kprobes/enable
		[ $order = after ] || expect "$hooks: the device comes to the tracers" insmod /extra/relobox.ko hooks=$hooks
		try "$hooks-tracers-$order"
		echo 0 >$tracing/events/kprobes/enable
		cp $tracing/trace /run/trace
		echo nop >$tracing/current_tracer
		expect "$hooks-tracers-$order: returns seen: $(grep -c 'return_.*result=' /run/trace)" grep -q 'return_module_finalize.*result=' /run/trace
		expect "$hooks: the device goes" rmmod relobox
	done
done
echo >$tracing/kprobe_events
echo >$tracing/set_ftrace_filter

# A live patch of one of the functions, which leaves no way to hook it: that is told, and nothing is loaded.
withdraw() {
	local tries=0
	echo 0 >/sys/kernel/livepatch/replaced/enabled
	until rmmod replaced 2>/dev/null; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then fail "the live patch stays"; return 1; fi
		usleep 100000
	done
}
case $(uname -r) in
6.1.*)
	expect "a live patch comes first" insmod /extra/replaced.ko
	expect "patched: the device comes" insmod /extra/relobox.ko
	/bin/selftest --short >/out/patched-before 2>&1
	expect "patched: $(grep ' layout ' /out/patched-before)" grep -q " layout 0 .*reason 'the module loader cannot be hooked" /out/patched-before
	rmmod relobox
	withdraw
	expect "ftrace: the device comes first" insmod /extra/relobox.ko hooks=ftrace
	refuse "ftrace: the live patch does not come" insmod /extra/replaced.ko
	rmmod relobox
	expect "kprobe: the device comes first" insmod /extra/relobox.ko hooks=kprobe
	expect "kprobe: the live patch comes" insmod /extra/replaced.ko
	insmod /run/ko/cifs_arc4.ko
	/bin/selftest --short cifs_arc4_crypt cifs_arc4 /run/ko/nf_dup_netdev.ko >/out/patched-after 2>&1
	expect "kprobe: ARM says that answers do not arrive" grep -q 'arm: No such device' /out/patched-after
	refuse "kprobe: and nothing was loaded" grep -q '^nf_dup_netdev ' /proc/modules
	withdraw
	rmmod cifs_arc4
	try "kprobe-patch-gone"
	expect "kprobe: the device goes" rmmod relobox
	;;
*) note "the live patch is written for 6.1" ;;
esac
rm -r /run/ko /run/trace
quiet "with programs and tracers"
