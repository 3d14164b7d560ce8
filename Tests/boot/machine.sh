#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tests the bare machine in QEMU: traps, tasks, time, disks, the log; the same log every time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
image=$("$here/../../Kernel/build.sh" machinetest 2>/dev/null)
folder=$(mktemp -d)
busy=
trap 'rm -rf "$folder"; for id in $busy; do kill "$id" 2>/dev/null || true; done' EXIT
trap 'exit 1' INT TERM

# Fixed content, so that the log is the same on every host.
seq 1 200000 | head -c 1048576 > "$folder/root.img"
seq 200001 500000 | head -c 2097152 > "$folder/scratch.img"

boot() { "$here/boot.py" --timeout 60 "$@"; }
fail() { echo "failed: $1" >&2; exit 1; }
digest() { grep -o 'records, [0-9a-f]*' "$1" | sort -u; }

disks="--disk $folder/root.img --disk $folder/scratch.img"
boot $disks "$image" > "$folder/first" || fail "the machine's tests ($(tail -n 1 "$folder/first"))"
boot $disks --runs 10 "$image" > "$folder/idle" || fail "10 runs alike"
for core in 1 2; do
  sh -c 'while :; do :; done' &
  busy="$busy $!"
done
boot $disks --runs 5 "$image" > "$folder/busy" || fail "5 runs alike with busy cores"
boot $disks --runs 3 --poll 0.05 "$image" > "$folder/slow" || fail "a slow reader of the log"
boot $disks --runs 2 --drive ,throttling.iops-total=100 "$image" > "$folder/throttled" ||
  fail "slow disks"
for id in $busy; do kill "$id"; done
busy=
for name in busy slow throttled; do
  [ "$(digest "$folder/$name")" = "$(digest "$folder/idle")" ] || fail "$name has another log"
done

boot --cpu max "$image" > "$folder/max" || fail "a processor with SMEP and SMAP"
for memory in 2097152 1073741824 3221225472 4294967296; do
  boot --memory $memory "$image" > "$folder/size" || fail "$memory bytes"
done
for word in overflow overflow-first; do
  boot --words $word "$image" > "$folder/overflow" && fail "a stack overflow is no success"
  grep -q '^kernel fault: trap 8' "$folder/overflow" || fail "a stack overflow is reported"
  grep -q '^kernelFailed' "$folder/overflow" || fail "the mailbox says that the kernel failed"
done
echo "machine: all passed, $(digest "$folder/idle")"
