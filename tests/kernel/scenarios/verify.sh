#!/bin/busybox sh
# the kernel's check of what user space computed: a wrong layout, a wrong symbol, an owner that wants to go
#: timeout 600
file=$(file_of pcbc)
expect "a right one loads" load "$file" && rmmod pcbc
remember
if [ "$WITH" = device ]; then
	for wrong in layout symbol; do
		export RELOBOX_TEST_WRONG=$wrong
		refuse "wrong $wrong: refused" load "$file"
		unset RELOBOX_TEST_WRONG
		refuse "wrong $wrong: the module is not there" grep -q '^pcbc ' /proc/modules
		unchanged "wrong $wrong"
	done
	expect "the right one still loads" load "$file"
	expect "and unloads" unload pcbc
else
	note "wrong layouts and symbols are only possible with the device"
fi

# Between look-up and load the owner of a symbol must not go: its address would be another's.
insmod "$(file_of libcrc32c)"
remember
if [ "$WITH" = device ]; then
	RELOBOX_TEST_WRONG=stale load "$(file_of xfs)" >/run/stale 2>&1 &
	stale=$!
	tries=0
	while ! awk '$1 == "libcrc32c" && $3 > 0 { held = 1 } END { exit !held }' /proc/modules && [ $tries -lt 300 ]; do
		tries=$((tries + 1))
		usleep 100000
	done
	expect "while it waits, the owner is held" [ $tries -lt 300 ]
	refuse "while it waits, rmmod of the owner is refused" rmmod libcrc32c
	expect "xfs is not there yet" sh -c '! grep -q "^xfs " /proc/modules'
	wait $stale
	expect "then it loads" [ $? = 0 ]
	expect "and unloads" unload xfs
else
	expect "the owner of symbols in use" load "$(file_of xfs)"
	refuse "cannot go" rmmod libcrc32c
	rmmod xfs
fi
unchanged "after that"
expect "the owner goes when nobody holds it" rmmod libcrc32c
