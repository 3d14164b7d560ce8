#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Memory in a row: areas that a program's pages borrow are emptied when they are wanted, also of
# locked pages and of those on their way to a disk; buffers of /dev/dma_heap; bad words.
# Prints `ok NAME` or `not ok NAME`.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
quire=$root/quire
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

ok() { printf 'ok %s\n' "$1"; }
not_ok() { # NAME REASON
  printf 'not ok %s # %s\n' "$1" "$2"
  failures=$((failures + 1))
}

for program in contiguous heaps compact; do
  if ! gcc -O1 -w -static -o "$program" "$root/Tests/programs/$program.c"; then
    not_ok "$program.c" 'it cannot be compiled'
    exit 1
  fi
done

# A machine of 128 MiB with 32 MiB in a row, at 64 MiB.
for mode in plain locked transfer; do
  name="half of an area that a program borrows is had in a row ($mode)"
  "$quire" run --quiet --memory 128M --cma 32M@64M --boot audit --timeout 300s -- \
    "$work/contiguous" 64 32 $mode >got 2>errors </dev/null
  status=$?
  if [[ $status == 0 ]] && ! grep -q '^not ok' got; then
    ok "$name: $(sed -n 's/^ok pages were moved for it # //p' got) pages moved"
  else
    not_ok "$name" "status $status: $(grep '^not ok' got | head -c 300) $(head -c 200 errors)"
  fi
done

for check in 'contiguous 64 32 full' 'compact 16384'; do
  name="what cannot be had fails and harms nobody"
  [[ $check == compact* ]] && name='what is free is gathered, though two processes map what is not'
  # shellcheck disable=SC2086
  "$quire" run --quiet --memory 128M --cma 32M@64M --boot audit --timeout 300s -- \
    "$work/"$check >got 2>errors </dev/null
  status=$?
  if [[ $status == 0 ]] && ! grep -q '^not ok' got; then
    ok "$name"
  else
    not_ok "$name" "status $status: $(grep '^not ok' got | head -c 300) $(head -c 200 errors)"
  fi
done

# What Linux's drivers/dma-buf does, call by call.
cat >expected <<'LINES'
no bytes: EINVAL
a descriptor: EINVAL
unknown descriptor flags: EINVAL
unknown heap flags: EINVAL
more than there is: ENOMEM
all addresses: EINVAL
a bad pointer: EFAULT
an unknown request: EINVAL
read of a heap: EINVAL
write of a heap: EINVAL
mmap of a heap: ENODEV
allocate: ok
closed by exec: 1
size: 262144
lseek to the start: ok
lseek further: EINVAL
lseek from here: EINVAL
read: EINVAL
write: EINVAL
begin to read: ok
end of both: ok
synchronize nothing: EINVAL
unknown synchronization: EINVAL
synchronize nowhere: EFAULT
an unknown request: ENOTTY
map beyond the end: EINVAL
map behind the end: EINVAL
map the last page: ok
map a copy: EINVAL
truncate: EINVAL
close: ok
allocate to be read: ok
map it to be written: EACCES
map it to be read: ok
send the descriptor: ok
the consumer's sum: right
words that are not the consumer's: 0
write in a child: exit 0
the child's word: 7
of a thousand more failed: 0
LINES
for heap in system reserved; do
  name="buffers of /dev/dma_heap/$heap, shared by a producer and a consumer"
  "$quire" run --quiet --memory 64M --cma 8M --boot audit --timeout 300s -- \
    "$work/heaps" /dev/dma_heap/$heap >got 2>errors </dev/null
  status=$?
  if [[ $status == 0 ]] && difference=$(diff expected got); then
    ok "$name"
  else
    not_ok "$name" "status $status: $(head -n 4 <<<"${difference:-}" | tr '\n' ' ')"
  fi
done

name='two areas, each with its heap'
if "$quire" run --quiet --memory 64M --cma 4M@32M --cma 8M@40M-64M --timeout 120s -- \
  busybox sh -c 'ls /dev/dma_heap | tr "\n" " "; grep CmaTotal /proc/meminfo;
    cat /sys/kernel/mm/cma/*/extent' >got 2>errors </dev/null &&
  diff -b got - >/dev/null <<'LINES'; then
cma1 reserved system CmaTotal: 12288 kB
first 14336 pages 2048 used 0
first 8192 pages 1024 used 0
LINES
  ok "$name"
else
  not_ok "$name" "$(tr '\n' ' ' <got) $(head -c 200 errors)"
fi

# AREAS EXPECTED: bad words are one line and status 64, before anything runs.
refused() {
  local name="--cma $1 is refused: $2" status words=() area
  for area in $1; do words+=(--cma "$area"); done
  "$quire" run --quiet --memory 64M "${words[@]}" --timeout 60s -- busybox echo ran \
    >got 2>errors </dev/null
  status=$?
  if [[ $status == 64 && ! -s got && $(wc -l <errors) == 1 ]] && grep -q "$2" errors; then
    ok "$name"
  else
    not_ok "$name" "status $status: $(head -c 300 errors | tr '\n' ' ')"
  fi
}
refused 128M 'beyond 64 MiB'
refused 8M@60M 'beyond 64 MiB'
refused 8M@33M 'multiple of 4M'
refused 8M@0 'memory\|there'
refused 8M@12M 'zone'
refused '8M@32M 4M@36M' 'another area'
refused 12M@0-12M 'large enough'
refused 0 'invalid'

exit $((failures > 0))
