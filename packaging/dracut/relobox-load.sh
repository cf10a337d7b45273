#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Loads what /etc/relobox/initramfs.conf names by relobox, before udev loads anything.
LOAD="" DEVICE=no
# shellcheck disable=SC1091
[ -r /etc/relobox/initramfs.conf ] && . /etc/relobox/initramfs.conf
read -r line </proc/cmdline
case " $line " in
*" relobox=off "*)
	# kmod's commands load the device without being strict, in the real root as well. The last option counts.
	mkdir -p /run/modprobe.d
	echo "options relobox strict=0" >/run/modprobe.d/zz-relobox-off.conf
	;;
esac
if [ "$DEVICE" = yes ]; then
	modprobe -q relobox || warn "relobox: the device could not be loaded"
fi
if [ -n "$LOAD" ]; then
	# shellcheck disable=SC2086
	relobox-kmod modprobe -q -a $LOAD || warn "relobox: not everything was loaded"
fi
