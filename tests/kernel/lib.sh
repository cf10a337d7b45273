# What scenarios share; busybox sh. Results are lines: "ok: ...", "fail: ...", "note: ...", and rows of tables.

MODULES=/lib/modules/$(uname -r)
export RELOBOX_CACHE=/run/relobox-cache
# For the workshop in the place of the separate programs.
export RELOBOX_ALL_IN_ONE=1
case $(uname -m) in
x86_64) results=/dev/ttyS1 ;;
*) results=/dev/console ;;
esac

# Busybox's shell takes its own commands before those in PATH; these are kmod's.
insmod() { /kmod/insmod "$@"; }
rmmod() { /kmod/rmmod "$@"; }
modprobe() { /kmod/modprobe "$@"; }

say() { echo "@ $*" >$results; }
ok() { say "ok: $*"; }
fail() { say "fail: $*"; }
note() { say "note: $*"; }

# expect WHAT COMMAND...: ok if it succeeds; refuse: if it does not. What it printed is in /run/said.
expect() {
	local what=$1
	shift
	if "$@" >/run/said 2>&1; then ok "$what"; else fail "$what: $* gave $?: $(tail -n 3 /run/said | tr '\n' ' ')"; return 1; fi
}
refuse() {
	local what=$1
	shift
	if "$@" >/run/said 2>&1; then fail "$what: $* succeeded"; return 1; else ok "$what: $(tail -n 1 /run/said)"; fi
}

# The commands under test. `with stock load ...` always runs kmod's.
load() { # FILE [PARAMETER...]
	case $WITH in
	stock) insmod "$@" ;;
	*) relobox insmod --kernel "$WITH" "$@" ;;
	esac
}
unload() { # NAME
	case $WITH in
	device) relobox rmmod --kernel device "$1" ;;
	*) rmmod "$1" ;;
	esac
}
probe() { # NAME
	case $WITH in
	stock) modprobe "$1" ;;
	*) relobox modprobe --kernel "$WITH" "$1" ;;
	esac
}
unprobe() { # NAME
	case $WITH in
	stock) modprobe -r "$1" ;;
	*) relobox modprobe --kernel "$WITH" -r "$1" ;;
	esac
}
with() {
	local WITH=$1
	shift
	"$@"
}

start_device() {
	[ "$WITH" = device ] || return 0
	# What the stock kernel does is seen in a stock kernel.
	case $STATE in stock:*) return 0 ;; esac
	local module
	for module in /extra/relobox*.ko; do insmod "$module"; done
	[ -c /dev/relobox ] || fail "there is no /dev/relobox"
}

# The disk that the driver attached under this name.
disk() {
	local block
	for block in /sys/block/vd*; do
		if [ "$(cat "$block/serial")" = "$1" ]; then echo "/dev/${block##*/}"; fi
	done
}

# A module's name, its file, and the files that it needs in the order in which they are loaded.
name_of() { local file=${1##*/}; echo "${file%%.ko*}" | tr - _; }
file_of() { awk -F : -v name="$1" '{ n = $1; sub(".*/", "", n); sub("[.]ko.*", "", n); gsub("-", "_", n) } n == name { print $1; exit }' "$MODULES/modules.dep" | sed "s|^|$MODULES/|"; }
# Every file of the package, dependencies first; or with $ONLY (NAME,NAME...) those, with what they need.
all_files() {
	local name
	if [ -n "$ONLY" ]; then
		for name in $(echo "$ONLY" | tr ',' ' '); do chain "$name"; done | awk '!seen[$0]++'
		return
	fi
	awk -F ': *' '
		{ needs[$1] = $2; order[++count] = $1 }
		function visit(file,   list, n, i) {
			if (seen[file]++) return
			n = split(needs[file], list, " ")
			for (i = n; i > 0; i--) visit(list[i])
			print file
		}
		END { for (i = 1; i <= count; i++) visit(order[i]) }' "$MODULES/modules.dep" | sed "s|^|$MODULES/|"
}
chain() { modprobe -D "$1" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'; }

# What must be as before. Module memory is what lies in the kernel's module area; an area that is only waiting to be
# unmapped does not count.
modules_now() { awk '{ print $1, $2, $3, $4 }' /proc/modules | sort; }
areas_now() {
	awk '/unpurged/ { next } / (module_alloc|load_module|move_module|layout_and_allocate|execmem_|__do_sys_f?init_module)/ ||
		/\[relobox\]/ || $1 >= "0xffffffffc0000000" { split($1, a, "-"); print a[1], $2, $3 }' /proc/vmallocinfo
}
# The kernel hands /proc/vmallocinfo out a page at a time and finds its place again by counting: an area that is freed
# between two pages (any area, at boot above all) hides another one. Only what two readings agree on is believed.
areas() {
	local tries=0
	areas_now >"$1"
	while usleep 50000; areas_now >/run/areas.again; ! cmp -s "$1" /run/areas.again; do
		mv /run/areas.again "$1"
		tries=$((tries + 1))
		[ $tries -lt 100 ] || break
	done
}
remember() {
	modules_now >/run/modules.before
	areas /run/areas.before
	dmesg | wc -l >/run/dmesg.before
}
trouble='WARNING:|BUG[: ]|Oops|Call Trace|general protection|refcount_t|UBSAN|KASAN|unable to handle|soft lockup|stall|blocked for more|bad page|list_(add|del) corruption'
# The number of lines that the kernel's log should not have.
quiet() {
	if dmesg | tail -n +$(($(cat /run/dmesg.before) + 1)) | grep -E "$trouble" >/run/trouble; then
		fail "$1: the kernel's log has: $(head -n 3 /run/trouble | tr '\n' ' ')"
	else
		ok "$1: the kernel's log is quiet"
	fi
}
unchanged() {
	local tries=0
	modules_now >/run/modules.after
	if cmp -s /run/modules.before /run/modules.after; then
		ok "$1: /proc/modules is as before"
	else
		fail "$1: /proc/modules differs: $(diff /run/modules.before /run/modules.after | grep '^[-+][^-+]' | head -n 4 | tr '\n' ' ')"
	fi
	# Memory of a module's init is freed some time later.
	while [ $tries -lt 100 ]; do
		areas /run/areas.after
		if [ "$(total /run/areas.after)" -le "$(total /run/areas.before)" ]; then
			ok "$1: module memory is as before, $(total /run/areas.after) bytes"
			# Less: something was still to be freed when it was remembered. It does not excuse anything later.
			cp /run/areas.after /run/areas.before
			break
		fi
		tries=$((tries + 1))
		usleep 100000
	done
	[ $tries -lt 100 ] || fail "$1: module memory was $(total /run/areas.before) bytes and is $(total /run/areas.after): $(
		diff /run/areas.before /run/areas.after | grep '^[-+][^-+]' | head -n 6 | tr '\n' ' ')"
	quiet "$1"
}
total() { awk '{ sum += $2 } END { print sum + 0 }' "$1"; }

# Mounts the image of filesystem $1, reads back what mkfs put there, writes, mounts again and reads that.
use_filesystem() {
	local device
	device=$(disk "$1")
	expect "$1: mounted" mount -t "$1" "$device" /mnt || return
	expect "$1: $(wc -l <"/images/$1.sums") files as made" sums "/images/$1.sums"
	mkdir /mnt/new
	dd if=/dev/urandom of=/mnt/new/random bs=64k count=100 2>/dev/null
	cp -r /mnt/deep /mnt/new/copy
	mkdir /mnt/new/many
	for i in $(seq 200); do echo "$i" >"/mnt/new/many/$i"; done
	rm -r /mnt/new/copy/er
	(cd /mnt && find . -type f -exec sha256sum {} +) >/run/sums
	sync
	expect "$1: unmounted" umount /mnt
	expect "$1: mounted again" mount -t "$1" "$device" /mnt || return
	expect "$1: $(wc -l </run/sums) files as written" sums /run/sums
	rm -r /mnt/new
	trace_filesystem "$1"
	expect "$1: unmounted" umount /mnt
}
sums() { (cd /mnt && sha256sum -c "$1" >/run/sums.out) || { grep -v OK /run/sums.out; return 1; }; }

# The function tracer patches the module's code, and its trace events are data of it that the kernel uses.
trace_filesystem() {
	local tracing=/sys/kernel/tracing name=$1
	echo ":mod:$name" >$tracing/set_ftrace_filter
	echo function >$tracing/current_tracer
	echo 1 >"$tracing/events/$name/enable"
	echo traced >/mnt/traced
	sync
	cat /mnt/traced >/dev/null
	rm /mnt/traced
	echo 0 >"$tracing/events/$name/enable"
	# Leaving the tracer empties its buffer.
	cp $tracing/trace /run/trace
	echo nop >$tracing/current_tracer
	echo >$tracing/set_ftrace_filter
	expect "$name: functions traced: $(grep -c ' <-' /run/trace)" grep -q " ${name}_.* <-" /run/trace
	expect "$name: events traced: $(grep -vc ' <-\|^#' /run/trace)" grep -q ": ${name}_[a-z_]*: " /run/trace
}

# The whole life of filesystem $1's modules, twice.
filesystem_chain() {
	local name=$1 file files
	files=$(chain "$name")
	remember
	for file in $files; do
		expect "insmod $(name_of "$file")" load "$file" || return
	done
	areas /run/areas.loaded
	expect "the meter of module memory moves" [ "$(total /run/areas.loaded)" -gt "$(total /run/areas.before)" ]
	use_filesystem "$name"
	refuse_busy "$name" "$files"
	for file in $(echo "$files" | tac); do
		expect "rmmod $(name_of "$file")" unload "$(name_of "$file")"
	done
	unchanged "insmod of the $name chain"
	remember
	expect "modprobe $name" probe "$name" || return
	use_filesystem "$name"
	expect "modprobe -r $name" unprobe "$name"
	# What only a soft dependency wanted stays; it is no dependency.
	for file in $(echo "$files" | tac); do
		grep -q "^$(name_of "$file") " /proc/modules && unload "$(name_of "$file")"
	done
	unchanged "modprobe of $name"
}
# A module that another one uses stays.
refuse_busy() {
	local used
	used=$(awk '$3 > 0 && $4 != "-" { print $1 }' /proc/modules | while read -r m; do echo "$2" | tr - _ | grep -q "/$m\.ko" && echo "$m"; done | head -n 1)
	[ -z "$used" ] || refuse "rmmod of busy $used refused" unload "$used"
}
