#!/bin/busybox sh
# btrfs and all it needs: loaded, mounted, read, written, traced, unmounted, unloaded; by insmod and by modprobe
#: images btrfs
filesystem_chain btrfs
