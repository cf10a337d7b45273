#!/bin/busybox sh
# what modules look like once their init has run: memory, names, sysfs; copied out for the test kernel_memory
#: tools dump-memory
#: memory 3072
#: timeout 3600
# --set ONLY=NAME,NAME takes other modules, with what they need; --set ONLY=all every one of the package. The copies are in the form that
# tests/scripts/kernel-memory describes, which is the usual way to run this.

# Filesystems, block devices, networking, virtualisation, drivers: everything that patches itself, from static calls (kvm)
# to per-CPU data (nf_conntrack), and some chains of dependencies.
: "${ONLY:=xfs,btrfs,zram,dm-mod,dm-crypt,raid456,nf_conntrack,nf_tables,openvswitch,bonding,kvm,nfsd,cifs,ceph,fuse,ena,mlx5_core,sctp,wireguard}"
# The disk that takes the results comes back by the tool under test as well.
rmmod virtio_blk virtio_pci virtio_pci_legacy_dev virtio_pci_modern_dev virtio virtio_ring
wanted=$ONLY
ONLY=virtio_pci,virtio_blk,$wanted
if [ "$wanted" = all ]; then ONLY=; fi
all_files >/run/files
remember
# A module whose init finds no hardware is not loaded, by kmod either.
while read -r file; do
	load "$file" >/run/said 2>&1 && continue
	name=$(name_of "$file")
	echo "$name" >>/out/refused
	sed "s/^/$name: /" /run/said >>/out/load.log
	if [ "$WITH" != stock ] && insmod "$file" 2>>/out/load.log; then
		fail "$name: kmod loads it, $WITH does not: $(head -n 1 /run/said)"
		rmmod "$name"
	fi
done </run/files
[ ! -e /out/refused ] || note "$(wc -l </out/refused) not loaded: $(head -n 20 /out/refused | tr '\n' ' ')"
# Some init goes on in the background.
sleep 1
# Some modules warn on a machine without their hardware, no matter which program loads them.
[ "$wanted" = all ] || quiet "loading"
uname -r >/out/version
echo "$WITH" >/out/with
cat /proc/kallsyms >/out/kallsyms
cat /proc/modules >/out/modules
while read -r file; do
	name=$(name_of "$file")
	[ -d "/sys/module/$name/sections" ] || continue
	dump-memory "$file" "/sys/module/$name/sections" "/out/$name" || fail "$name: no copy"
	mkdir "/out/$name/sysfs"
	(cd "/sys/module/$name" && find . | sort) >"/out/$name/sysfs/files"
	for attribute in coresize initsize initstate srcversion taint version; do
		cat "/sys/module/$name/$attribute" >"/out/$name/sysfs/$attribute" 2>/dev/null
	done
	sha256sum "/sys/module/$name"/notes/* "/sys/module/$name"/notes/.* "/sys/kernel/btf/$name" >"/out/$name/sysfs/sums" 2>/dev/null
done </run/files
copied=$(find /out -name mem -type d | wc -l)
refused=$(cat /out/refused 2>/dev/null | wc -l)
expect "$copied of $(wc -l </run/files) modules copied, $(find /out -path '*/mem/*' -type f | wc -l) sections" [ "$copied" -gt "$refused" ]
