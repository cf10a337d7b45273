#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Loads what /etc/relobox/initramfs.conf names by relobox, before udev loads anything.
LOAD="" DEVICE=no
# shellcheck disable=SC1091
[ -r /etc/relobox/initramfs.conf ] && . /etc/relobox/initramfs.conf
if [ "$DEVICE" = yes ]; then
	modprobe -q relobox || warn "relobox: no device; modules are vetted instead"
fi
if [ -n "$LOAD" ]; then
	# shellcheck disable=SC2086
	relobox-kmod modprobe -q -a $LOAD || warn "relobox: not everything was loaded"
fi
