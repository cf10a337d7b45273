#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# dracut module: relobox-kmod and relobox-linker, the device, pinned plugins, and what is to be loaded before the root is mounted.
# /etc/relobox/initramfs.conf says what.
# dracut sets moddir and dracutsysrootdir.
# shellcheck disable=SC2154

check() {
	require_binaries relobox-kmod || return 1
	[ -x "$(linker)" ] || return 1
	return 0
}

depends() {
	echo kernel-modules
}

linker() {
	local path
	for path in "$(command -v relobox-linker 2>/dev/null)" /usr/lib/relobox/relobox-linker; do
		if [ -x "$path" ]; then
			echo "$path"
			return
		fi
	done
}

installkernel() {
	local LOAD="" DEVICE=yes
	# shellcheck disable=SC1091
	[ ! -r "$dracutsysrootdir/etc/relobox/initramfs.conf" ] || . "$dracutsysrootdir/etc/relobox/initramfs.conf"
	# A list of words. instmods takes what each needs along.
	# shellcheck disable=SC2086
	hostonly='' instmods $LOAD
	if [ "$DEVICE" = yes ]; then
		hostonly='' instmods -o relobox
	fi
}

install() {
	local command
	inst_multiple relobox-kmod
	inst_simple "$(linker)" /usr/sbin/relobox-linker
	inst_simple /etc/relobox/initramfs.conf
	# Of modprobe.d, dracut copies what packages ship, and the rest only in host-only mode.
	for file in /etc/relobox/pins /etc/relobox/plugins/* /etc/relobox/compiled/* /etc/relobox/strict \
		/etc/modprobe.d/relobox-strict.conf /etc/relobox/signatures /etc/relobox/keys/* /usr/share/relobox/keys/*; do
		[ ! -e "$dracutsysrootdir$file" ] || inst_simple "$file"
	done
	if [ "$(readlink "$dracutsysrootdir/sbin/modprobe")" = /usr/lib/relobox/instead-of-kmod ]; then
		inst_multiple /usr/lib/relobox/instead-of-kmod /bin/kmod
		for command in "$dracutsysrootdir"/usr/lib/relobox/as/* "$dracutsysrootdir"/usr/lib/relobox/kmod/*; do
			inst "${command#"$dracutsysrootdir"}"
		done
	fi
	if [ -e "$dracutsysrootdir/etc/ld.so.conf.d/00-relobox.conf" ]; then
		inst_simple /usr/lib/relobox/lib/libkmod.so.2
		inst_simple /etc/ld.so.conf.d/00-relobox.conf
		inst_simple "$(linker)" /usr/lib/relobox/relobox-linker
	fi
	inst_hook pre-udev 01 "$moddir/relobox-load.sh"
	inst_hook pre-pivot 90 "$moddir/relobox-handover.sh"
}
