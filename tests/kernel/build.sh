# Part of tests/scripts/real-kernel: everything that a guest boots with. Uses its variables.
# shellcheck shell=bash disable=SC2154

# Kernel, headers, programs; sets image_file, version, qemu, console, machine.
prepare_kernel() {
    case $kernel in
    arm64*) machine=aarch64 console=ttyAMA0 qemu=(qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on -accel tcg,tb-size=512) ;;
    *) machine=x86_64 console=ttyS0 qemu=(qemu-system-x86_64 -cpu max -accel tcg,tb-size=512) ;;
    esac
    if ! "$here/install-oracles" "$([ $machine = aarch64 ] && echo --arm64 || echo --kernel)" >"$output/log" 2>&1; then
        cat "$output/log" >&2
        die "not everything could be installed"
    fi
    # For another machine: what a guest runs, and what is built with.
    userland=''
    cross=()
    if [ $machine != "$(uname -m)" ]; then
        userland=$corpora/$kernel/userland
        cross=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-)
        "$here/fetch-corpora" --userland "$kernel" >"$output/log" || die "there is no kernel $kernel"
    fi
    "$here/fetch-corpora" --headers "$kernel" >"$output/log" || die "there is no kernel $kernel"
    corpus=$corpora/$kernel
    image_file=$(compgen -G "$corpus/boot/vmlinu*")
    version=${image_file##*/vmlinu?-}
    [ -e "$corpus/lib/modules/$version/modules.dep.bin" ] || depmod -b "$corpus" "$version"
    mkdir -p "$output/$kernel" "$output/images"
}

# Copies the shared libraries that program $1 wants into root $2.
bundle() {
    local program=$1 root=$2 library
    if [ -n "$userland" ]; then
        bundle_foreign "$program" "$root"
        return
    fi
    ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
        [ -e "$root$library" ] || install -D "$library" "$root$library"
    done
}

# The same for a program of another machine, which cannot be asked itself.
bundle_foreign() {
    local program=$1 root=$2 library name
    readelf --wide --program-headers --dynamic "$program" |
        sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p; s/.*interpreter: \(.*\)\]/\1/p' | while read -r name; do
        name=${name##*/}
        [ ! -e "$root/lib/$name" ] || continue
        library=$(find "$userland" -name "$name" -print -quit)
        [ -n "$library" ] || die "no $name for $machine"
        install -D "$library" "$root/lib/$name"
        bundle_foreign "$library" "$root"
    done
}

# What all scenarios share, as one cpio archive that is kept: busybox, kmod and the kernel's modules. An initramfs may
# be several archives one after the other.
build_base() {
    local base=$output/$kernel/base.cpio root name
    if [ -e "$base" ] && [ "$base" -nt "$corpus/package" ] && [ "$base" -nt "$repository/tests/kernel/build.sh" ]; then return; fi
    root=$(mktemp -d)
    mkdir -p "$root"/{bin,kmod,lib/modules,proc,sys,dev,run,tmp,out,mnt,etc}
    if [ -n "$userland" ]; then
        install "$userland"/bin/{busybox,kmod} "$root/bin"
    else
        install "$(command -v busybox)" "$(command -v kmod)" "$root/bin"
    fi
    bundle "$root/bin/kmod" "$root"
    for name in insmod modprobe rmmod lsmod depmod; do ln -s ../bin/kmod "$root/kmod/$name"; done
    ln -s bin "$root/sbin"
    cp -r "$corpus/lib/modules/$version" "$root/lib/modules/"
    (cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$base.new"
    mv "$base.new" "$base"
    rm -rf "$root"
}

# Builds the module in directory $1 against this kernel's headers, out of the source tree, and prints the .ko's name.
build_module() {
    local from=$1 to=$output/$kernel/built/$(basename "$1") log
    log=$to.log
    mkdir -p "$to"
    (cd "$from" && cp -ru --preserve=timestamps . "$to")
    if ! make -C "$to" "${cross[@]}" "KDIR=$corpus/headers/build" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "$from does not build for $kernel"
    fi
    compgen -G "$to/*.ko"
}

# Compiles the .c files of directory $1 as kernel code, each to an object in directory $2; for 'relobox call'.
build_objects() {
    local source flags=(-fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fcf-protection=branch)
    [ $machine = x86_64 ] || flags=(-fno-pic -mgeneral-regs-only -mbranch-protection=bti)
    for source in "$1"/*.c; do
        "$([ $machine = aarch64 ] && echo aarch64-linux-gnu-)gcc" -O2 -Wall -Wextra -ffreestanding -fno-stack-protector "${flags[@]}" \
            -c "$source" -o "$2/$(basename "$source" .c).o"
    done
}

# A filesystem image with known contents; beside it NAME.sums with their SHA-256.
build_image() {
    local name=$1 image=$output/images/$1 tree i
    if [ -e "$image.sums" ]; then return; fi
    tree=$(mktemp -d)
    mkdir -p "$tree/deep/er/still" "$tree/many"
    # From a few bytes to more than an extent; the stream of a fixed key, so that every machine has the same.
    for i in 0 1 511 4096 4097 65536 1000003 9000011; do
        stream "$name-$i" "$i" >"$tree/deep/er/still/$i"
    done
    for i in $(seq 300); do printf '%s in %s\n' "$i" "$name" >"$tree/many/$i"; done
    ln -s deep/er/still/4097 "$tree/link"
    rm -f "$image"
    truncate -s 512M "$image"
    case $name in
    xfs)
        { printf '/nothing\n0 0\nd--755 0 0\n'; proto "$tree"; } >"$tree.proto"
        mkfs.xfs -q -p "$tree.proto" "$image"
        rm -f "$tree.proto"
        ;;
    btrfs) mkfs.btrfs -q --rootdir "$tree" "$image" 2>/dev/null ;;
    *) die "no image is called $name" ;;
    esac
    (cd "$tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$image.sums.new"
    mv "$image.sums.new" "$image.sums"
    rm -rf "$tree"
}
# $2 bytes that do not repeat soon, the same for the same name $1.
stream() {
    awk -v seed="$(cksum <<<"$1" | cut -d ' ' -f 1)" -v bytes="$2" 'BEGIN {
        state = seed; for (done = 0; done < bytes; done += 8) {
            state = (state * 69069 + 1) % 4294967296; printf "%08x", state } }' | head -c "$2"
}
# Directory $1 in the words of mkfs.xfs -p.
proto() {
    local entry
    for entry in "$1"/*; do
        if [ -L "$entry" ]; then
            printf '%s l--777 0 0 %s\n' "${entry##*/}" "$(readlink "$entry")"
        elif [ -d "$entry" ]; then
            printf '%s d--755 0 0\n' "${entry##*/}"
            proto "$entry"
        else
            printf '%s ---644 0 0 %s\n' "${entry##*/}" "$entry"
        fi
    done
    printf '$\n'
}

# The hostile modules, into root $1.
prepare_bent() {
    local work file
    work=$(mktemp -d)
    file=$(compgen -G "$corpus/lib/modules/$version/kernel/crypto/pcbc.ko*")
    case $file in
    *.xz) xz -dc "$file" >"$work/pcbc.ko" ;;
    *) cp "$file" "$work/pcbc.ko" ;;
    esac
    cc -O2 -Wall -Wextra -o "$work/bend" "$repository/tests/kernel/tools/bend.c"
    mkdir -p "$1/extra/bent"
    "$work/bend" "$work/pcbc.ko" "$1/extra/bent"
    rm -rf "$work"
}

# Everything of scenario $2 and the shared archive, as initramfs $1.
build_initrd() {
    local initrd=$1 scenario=$2 root image source
    build_base
    root=$(mktemp -d)
    mkdir -p "$root"/{bin,extra,images}
    install "$repository/tests/kernel/real-init" "$root/init"
    install -m 644 "$repository/tests/kernel/lib.sh" "$root/lib.sh"
    install -m 644 "$scenarios/$scenario.sh" "$root/scenario.sh"
    for image in $(header "$scenario" images); do
        build_image "$image"
        cp "$output/images/$image.sums" "$root/images/"
    done
    for source in $(header "$scenario" tools); do
        "$([ $machine = aarch64 ] && echo aarch64-linux-gnu-)gcc" -static -O2 -Wall -Wextra -o "$root/bin/$source" \
            "$repository/tests/kernel/tools/$source.c"
    done
    for source in $(header "$scenario" modules); do
        cp "$(build_module "$repository/tests/kernel/$source")" "$root/extra/"
    done
    for source in $(header "$scenario" objects); do
        build_objects "$repository/tests/kernel/$source" "$root/extra"
    done
    if [ "$tool" != stock ]; then
        relobox=${RELOBOX:-$repository/target/programs/relobox-kmod}
        # RELOBOX=... takes a program as it is, and so nothing of the repository is built.
        if [ -n "${RELOBOX:-}" ]; then
            :
        elif [ -n "$userland" ]; then
            relobox=$("$here/build-arm64") || die "relobox does not build for $machine"
        else
            "$repository/scripts/build-programs" --only-kmod >&2 || die "the programs do not build"
        fi
        # What loads modules, and what links for it; the whole workshop where only that can be built, or was given.
        install "$relobox" "$root/bin/relobox"
        if [ -x "$(dirname "$relobox")/relobox-linker" ]; then
            install "$(dirname "$relobox")/relobox-linker" "$root/bin/relobox-linker"
        fi
        bundle "$relobox" "$root"
    fi
    # Programs of the tests themselves; without their debugging information, since the guest has it all in memory.
    if [ "$tool" = device ]; then
        for source in $(header "$scenario" programs); do
            if [ -z "${RELOBOX:-}" ] || ! [ -x "$repository/target/debug/$source" ]; then
                (cd "$repository" && cargo build --quiet -p relobox-tests --bin "$source") || die "$source does not build"
            fi
            strip -o "$root/bin/$source" "$repository/target/debug/$source"
            bundle "$root/bin/$source" "$root"
        done
        cp "$(build_module "$repository/kernel")" "$root/extra/"
    fi
    for source in $(header "$scenario" prepare); do
        "prepare_$source" "$root"
    done
    { cat "$output/$kernel/base.cpio"; (cd "$root" && find . | cpio -o -H newc --quiet -R 0:0); } >"$initrd"
    rm -rf "$root"
}
