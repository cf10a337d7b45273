#!/bin/busybox sh
# the device's own test, with each kind of hook: every call, every refusal, races, processes killed while armed
#: tools selftest
#: timeout 900
#: only device
# For true addresses in /proc/vmallocinfo, as the test wants them, too.
echo 1 >/proc/sys/kernel/kptr_restrict
rmmod relobox
# Four threads that ask for per-CPU memory at random may use up what the kernel keeps for modules; then the kernel says who
# asked. That is not trouble.
dmesg() { /bin/dmesg | awk '/percpu: allocation failed/ { told = 1 } !told { print } /<\/TASK>/ { told = 0 }'; }
remember
mkdir -p /run/ko
for name in cifs_arc4 nf_dup_netdev nls_utf8 pcbc; do
	file=$(file_of $name)
	case $file in
	*.xz) xz -dc "$file" >/run/ko/$name.ko ;;
	*) cp "$file" /run/ko/$name.ko ;;
	esac
done
# try NAME ARGUMENT...: loads a module whose exports no other module uses, and removes it.
try() {
	local name=$1 rc
	shift
	insmod /run/ko/cifs_arc4.ko
	/bin/selftest "$@" >"/out/$name" 2>&1
	rc=$?
	grep '^FAIL' "/out/$name" | while read -r line; do fail "$name: $line"; done
	grep -q '^selftest: ' "/out/$name" || fail "$name: it ended after $(tail -n 1 "/out/$name")"
	expect "$name: $(grep -c '^ok' "/out/$name") checks, $(sed -n "s/.* hooks '\([a-z]*\)'.*/\1/p" "/out/$name")" [ $rc = 0 ]
}
insmod /extra/relobox.ko
try auto cifs_arc4_crypt cifs_arc4 /run/ko/pcbc.ko /run/ko/nls_utf8.ko /run/ko/nf_dup_netdev.ko
expect "the device goes" rmmod relobox
unchanged "with the device's hooks gone"
expect "and comes back" insmod /extra/relobox.ko hooks=kprobe
# At last it forbids modules until the next boot.
try kprobe --forbid cifs_arc4_crypt cifs_arc4 /run/ko/nf_dup_netdev.ko
rm -r /run/ko
quiet "the device's own test"
