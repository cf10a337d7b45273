#!/bin/busybox sh
# with relobox-kmod strict on, nothing is loaded that relobox did not link; how that ends; and the trail of it all
#: timeout 600
#: only device
parameter=/sys/module/relobox/parameters/strict
file=$(file_of nls_utf8)
says() { if grep -qF -- "$2" /run/said; then ok "$1: $2"; else fail "$1: not '$2' but $(tail -n 2 /run/said | tr '\n' ' ')"; fi; }

device=$(echo /extra/relobox*.ko)
setting=/etc/relobox/strict options=/etc/modprobe.d/relobox-strict.conf
status() { # CODE WHAT
	local code=0
	relobox strict status >/run/status || code=$?
	if [ $code = "$1" ]; then ok "status: $2"; else fail "status: $2, but the exit code is $code: $(tr '\n' ' ' </run/status)"; fi
}
# The records of the trail since the line that `since` remembers, and how many of them there are.
since() { dmesg | wc -l >/run/since; }
trail() { dmesg | tail -n +$(($(cat /run/since) + 1)) | grep -E 'relobox: (loaded|refused) '; }
records() { # NUMBER PATTERN
	local count
	count=$(trail | grep -c -E -- "$2")
	if [ "$count" = "$1" ]; then ok "the trail: $1 of '$2'"; else fail "the trail: $count of '$2', not $1: $(trail | tail -n 3 | tr '\n' ' ')"; fi
}

# relobox under kmod's names. In this machine there is no journal, so the trail is in the kernel's log.
mkdir -p /run/as
for name in insmod modprobe rmmod; do ln -s /bin/relobox /run/as/$name; done
# Where the kernel's own requests go: `requests kmod` or `requests relobox`.
requests() {
	case $1 in
	kmod) printf '#!/bin/sh\nexec /kmod/modprobe "$@"\n' >/run/modprobe.new ;;
	relobox) printf '#!/bin/sh\nPATH=/bin; export PATH\nexec /run/as/modprobe "$@"\n' >/run/modprobe.new ;;
	esac
	chmod 755 /run/modprobe.new
	mv /run/modprobe.new /run/modprobe
}
requests kmod
echo /run/modprobe >/proc/sys/kernel/modprobe

expect "at first it is off" grep -qx N $parameter
expect "stock insmod" with stock load "$file"
expect "and out" rmmod nls_utf8
expect "the kernel's own request" sh -c 'mount -t xfs none /mnt 2>/dev/null; grep -q "^xfs " /proc/modules'
expect "and out" modprobe -r xfs
remember

expect "strict" sh -c "echo 1 >$parameter"
expect "its parameter says so" grep -qx Y $parameter
refuse "stock insmod" with stock load "$file"
says "stock insmod" "Operation not permitted"
refuse "stock modprobe" with stock probe xfs
refuse "vet" relobox insmod --kernel vet "$file"
says "vet" "strict"
refuse "the kernel's own request" sh -c 'mount -t xfs none /mnt 2>/dev/null; grep -q "^xfs " /proc/modules'
expect "the kernel's log names it" sh -c "dmesg | grep -q 'relobox: nls_utf8 was not linked by relobox: refused'"
expect "relobox, by the device" load "$file"
expect "and out" unload nls_utf8
expect "a chain" probe btrfs
expect "and out" unprobe btrfs
refuse "the device is not unloaded meanwhile" rmmod relobox
refuse "no other value" sh -c "echo perhaps >$parameter"
expect "and it is still on" grep -qx Y $parameter

expect "off, without a reboot" sh -c "echo 0 >$parameter"
unchanged "after strict"
expect "stock insmod again" with stock load "$file"
expect "and out" rmmod nls_utf8
# Both ways at the same time as loads: a thread that is being refused is in the device's code.
for i in $(seq 40); do insmod "$file" 2>/dev/null && rmmod nls_utf8; done &
loading=$!
for i in $(seq 40); do echo 1 >$parameter; echo 0 >$parameter; done
wait $loading
if grep -q '^nls_utf8 ' /proc/modules; then rmmod nls_utf8; fi
unchanged "after switching during loads"

# The command: in a running kernel.
status 1 "all are off"
since
expect "strict on" relobox strict on
says "strict on" "will be refused"
status 0 "all are on"
expect "the parameter is on" grep -qx Y $parameter
refuse "stock insmod" with stock load "$file"
expect "relobox, without an option" relobox insmod "$file"
expect "and out" rmmod nls_utf8
expect "relobox under kmod's name" /run/as/insmod "$file"
expect "and out" /run/as/rmmod nls_utf8
refuse "nothing is forced" /run/as/modprobe -f nls_utf8
records 2 " loaded module=nls_utf8 result=loaded plugin=x86_64 plugin_digest=[0-9a-f]{64} mode=device digest=[0-9a-f]{64} uid=0 "
records 1 " processes=insmod\\[[0-9]+\\],"
refuse "the kernel's own request, by kmod" sh -c 'mount -t xfs none /mnt 2>/dev/null; grep -q "^xfs " /proc/modules'
requests relobox
expect "the kernel's own request, by relobox" sh -c 'mount -t xfs none /mnt 2>/dev/null; grep -q "^xfs " /proc/modules'
records 1 " module=xfs result=loaded .* mode=device "
# The kernel started it: modprobe, and above it only threads of the kernel.
expect "the trail: who asked" sh -c "dmesg | grep -E ' module=xfs .* processes=modprobe\\[[0-9]+\\],(kworker|kthreadd)'"
requests kmod
expect "and out" /run/as/modprobe -r xfs
expect "strict off" relobox strict off
status 1 "all are off"
expect "no file is left" [ ! -e $setting -a ! -e $options ]
expect "stock insmod again" with stock load "$file"
expect "and out" rmmod nls_utf8
unchanged "after strict on and off"

# Without the device: nothing but the device itself.
expect "strict on" relobox strict on
expect "the parameter alone is off" sh -c "echo 0 >$parameter"
status 4 "not all are on"
expect "the device is unloaded" rmmod relobox
since
for command in "relobox insmod $file" "relobox modprobe xfs" "/run/as/insmod $file" "/run/as/modprobe xfs"; do
	refuse "no device: $command" $command
	says "no device: $command" "relobox is strict"
done
says "kmod's name" "modprobe: FATAL: "
refuse "no device: not one of them is loaded" grep -qE '^(xfs|nls_utf8|libcrc32c) ' /proc/modules
records 2 " refused module=nls_utf8 result=strict mode=device digest=[0-9a-f]{64} .* reason=/lib/modules/"
# As depmod would list it for relobox.
cp "$device" "$MODULES/relobox.ko"
echo relobox.ko: >>"$MODULES/modules.dep"
expect "relobox loads the device, as modprobe.d has it" /run/as/modprobe relobox
records 1 " loaded module=relobox result=loaded .* mode=vet "
expect "and the kernel is strict" grep -qx Y $parameter
expect "relobox, by the device" /run/as/modprobe xfs
expect "and out" /run/as/modprobe -r xfs
refuse "the device is not unloaded meanwhile" rmmod relobox
expect "strict off" relobox strict off

# The way out of a machine without a device that works, and without a reboot.
expect "strict on" relobox strict on
expect "the parameter alone is off" sh -c "echo 0 >$parameter"
expect "the device is unloaded" rmmod relobox
expect "strict off, without the device" relobox strict off
status 1 "all are off"
expect "relobox vets" relobox insmod "$file"
expect "and out" rmmod nls_utf8
# With a reboot: what the kernel's command line says.
expect "strict on, without the device" relobox strict on
says "strict on" "the device is not loaded"
refuse "relobox" relobox insmod "$file"
sed 's/$/ relobox.strict=0/' /proc/cmdline >/run/cmdline
mount -o bind /run/cmdline /proc/cmdline
expect "relobox.strict=0: relobox vets" relobox insmod "$file"
expect "and out" rmmod nls_utf8
expect "and the device, with the options of modprobe.d" /run/as/modprobe relobox
expect "which is not strict: the last one counts" grep -qx N $parameter
expect "stock insmod" with stock load "$file"
expect "and out" rmmod nls_utf8
umount /proc/cmdline
expect "strict off" relobox strict off
expect "the device is unloaded" rmmod relobox

expect "loaded strict by kmod" insmod "$device" strict=1
refuse "stock insmod" with stock load "$file"
expect "relobox, by the device" load "$file"
expect "and out" unload nls_utf8
