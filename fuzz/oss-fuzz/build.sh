#!/usr/bin/env bash
# Builds the libFuzzer targets into $OUT, one for each built-in guest, with their seed corpora. What OSS-Fuzz and
# ClusterFuzzLite run; by hand: OUT=/tmp/out fuzz/oss-fuzz/build.sh. CI runs it as they do: tests/scripts/oss-fuzz.
#
# $RELOBOX_FUZZ_PROFILE: another profile of Cargo than release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# Copied beside the checkout by the Dockerfile, or where it belongs.
if [ -d relobox/fuzz ]; then cd relobox; else cd ../..; fi
: "${OUT:?where the targets go}"
mkdir -p "$OUT"

# The guests count their own edges: the host is built as it is, by any toolchain. The image's flags need a nightly one.
unset RUSTFLAGS CFLAGS CXXFLAGS
directory=${CARGO_TARGET_DIR:-$PWD/fuzz/target}
profile=${RELOBOX_FUZZ_PROFILE:-release}
cargo build --profile "$profile" --locked --manifest-path fuzz/Cargo.toml --target-dir "$directory"
built=$directory/${profile/#dev/debug}

corpus() { # NAME TARGET
    local dir=tests/fuzz-corpus/$1
    [ -d "$dir" ] || return 0
    python3 - "$dir" "$OUT/$2_seed_corpus.zip" <<'PY'
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as out:
    for name in sorted(os.listdir(sys.argv[1])):
        out.write(os.path.join(sys.argv[1], name), name)
PY
}

# One program is all targets: its name says which.
cp "$built/guest" "$OUT/guest"
for lock in host/guests/*.lock; do
    name=$(basename "$lock" .lock)
    case $name in
    engine | unpack) target=$name ;;
    *) target=plugin_$name ;;
    esac
    ln -f "$OUT/guest" "$OUT/$target"
    corpus "$name" "$target"
done
rm "$OUT/guest"
ls "$OUT"
