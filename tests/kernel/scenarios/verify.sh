#!/bin/busybox sh
# the kernel's check of what user space computed: wrong layouts, a wrong symbol, an owner that goes or comes back elsewhere
#: programs misload
#: timeout 600
file=$(file_of pcbc)
owner=$(file_of raid6_pq)
user=$(file_of btrfs)
expect "the module loads" load "$file" && rmmod pcbc
for needed in $(chain btrfs); do
	[ "$needed" = "$user" ] || insmod "$needed"
done
remember

if [ "$WITH" != device ]; then
	# Addresses are the kernel's own here; what there is to hold is the owner of a symbol in use.
	expect "the owner of symbols in use" load "$user"
	refuse "cannot go" rmmod raid6_pq
	rmmod btrfs
	unchanged "after that"
	return 0
fi

# misload is an insmod that is wrong in one way. First that it is right otherwise.
expect "right: loads" misload right "$file" && rmmod pcbc
unchanged right
for wrong in layout size symbol; do
	refuse "wrong $wrong" misload $wrong "$file"
	if grep -q '^pcbc ' /proc/modules; then fail "wrong $wrong: the module is there"; rmmod pcbc; fi
	unchanged "wrong $wrong"
done
# Between look-up and load the owner of a symbol must not go, for its address would be another's.
expect "the owner is to go: loads" misload held "$user" "$owner"
cp /run/said /run/held
expect "for it stays: $(head -n 1 /run/said)" grep -q '^rmmod raid6_pq: .*in use' /run/held
expect "and unloads" unload btrfs
unchanged held
# What if it had not been held: another module's memory is where its symbols were.
refuse "the owner came back elsewhere" misload reloaded "$user" "$owner"
if grep -q '^btrfs ' /proc/modules; then fail "reloaded: the module is there"; rmmod btrfs; fi
unchanged reloaded
expect "the right one still loads" load "$file"
expect "and unloads" unload pcbc
expect "the owner can be removed when nothing holds it" rmmod raid6_pq
