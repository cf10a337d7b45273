#!/bin/busybox sh
# XFS and all it needs: loaded, mounted, read, written, traced, unmounted, unloaded; by insmod and by modprobe
#: images xfs
filesystem_chain xfs
