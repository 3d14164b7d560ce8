#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every allocator of the kernel: its own suites in booted machines, devices behind bounce buffers,
# the kernel's half of the addresses from a program, contiguous areas; with QUIRE_LONG=yes also 100
# million random operations, the fragmentation experiment whole, one-line breaks that must be
# noticed, and the native rows. Prints `ok NAME` or `not ok NAME`.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
quire=$root/quire
# Not below /tmp, which is the machine's own inside it.
place=${QUIRE_WORK:-$root/.build}
mkdir -p "$place" && work=$(mktemp -d -p "$place") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

ok() { printf 'ok %s\n' "$1"; }
not_ok() { # NAME REASON
  printf 'not ok %s # %s\n' "$1" "$2"
  failures=$((failures + 1))
}
# Runs a command as long as it may take; its words are the reason where it fails.
check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >words 2>&1 </dev/null; then ok "$name"; else not_ok "$name" "$(tail -n 3 words | tr '\n' ' ')"; fi
}

# --- the kernel's own suites

# Each suite is a line of its own here too.
suites() { # NAME OPTION...
  local name=$1 status
  shift
  "$quire" selftest --timeout 200s "$@" >suites 2>errors </dev/null
  status=$?
  sed -n -E "s/^(ok|not ok) (.*)/\1 suite in $name: \2/p" suites
  failures=$((failures + $(grep -c '^not ok' suites)))
  if (($(grep -c '^ok' suites) < 11)) || { ((status != 0)) && ! grep -q '^not ok' suites; }; then
    not_ok "suites in $name" "status $status: $(tail -n 2 errors | tr '\n' ' ')"
  fi
  # Two devices wrote one buffer, and a program's memory borrowed an area.
  for suite in 'two disks and one buffer (56' 'contiguous areas (44'; do
    grep -qF "$suite checks)" suites || not_ok "the whole suite in $name: $suite" 'see above'
  done
}

# The line of the design names the one that was booted.
design() { # DESIGN
  local name="the suite of the slab design is that of $1"
  if grep -q "^ok slab design: $1 (" suites; then ok "$name"; else not_ok "$name" 'see above'; fi
}

suites 'a machine of 256 MiB'
design slub
suites 'a machine of 24 MiB' --memory 24M
suites 'a machine with SLAB' --boot slab=slab
design slab
suites 'a machine with SLOB' --boot slab=slob
design slob
suites 'a machine whose devices reach nothing' --boot 'swiotlb=force dma_debug'
suites 'a machine with pages of 1 GiB' --memory 2G --qemu-opts '-cpu Nehalem,-spec-ctrl,+pdpe1gb'

# --- bytes that the kernel keeps for programs

gcc -O1 -w -static -o kernelbytes "$root/Tests/programs/kernelbytes.c" || exit 1
for design in slub slab; do
  name="messages, names and texts of links are in the rows kmalloc-N ($design)"
  "$quire" run --quiet --boot "slab=$design audit" --timeout 200s -- ./kernelbytes \
    >got 2>errors </dev/null
  if awk '{ grew[$1] = $2 }
    END { exit !(grew["messages"] > 150 && grew["texts"] > 250 && grew["names"] > 250) }' got; then
    ok "$name: $(tr '\n' ' ' <got)"
  else
    not_ok "$name" "$(tr '\n' ' ' <got)$(tail -n 2 errors)"
  fi
done
for design in slub slab slob; do
  name="who is refused bytes is told, and goes on ($design)"
  "$quire" run --quiet --boot "slab=$design failslab=1,3,20000,-1 audit" --timeout 200s -- \
    ./kernelbytes refused >got 2>errors </dev/null
  status=$?
  if [[ $status == 0 && $(<got) == 'links 1 messages 1 polls 1 selects 1' ]]; then
    ok "$name"
  else
    not_ok "$name" "status $status: $(tail -n 2 got errors | tr '\n' ' ')"
  fi
done

# --- devices

head -c 3000000 /dev/urandom >data
through() { # WORDS
  "$quire" run --quiet --boot "$1" --timeout 200s --file "$work/data" -- \
    busybox sh -c "cat $work/data | md5sum; cp $work/data /var/scratch/copy; sync; echo 3 >/proc/sys/vm/drop_caches; md5sum </var/scratch/copy"
}
expected=$(md5sum <data)
name='disks read and write the same through bounce buffers'
if got=$(through 'swiotlb=force dma_debug audit' 2>errors) &&
  [[ $got == "$expected"$'\n'"$expected" ]]; then
  ok "$name"
else
  not_ok "$name" "$got $(tail -n 2 errors | tr '\n' ' ')"
fi

# --- the kernel's half

gcc -O1 -w -static -o kernelhalf "$root/Tests/programs/kernelhalf.c" || exit 1
./kernelhalf >host
name="addresses of the kernel: $(wc -l <host) answers as Linux's"
"$quire" run --quiet --boot audit --timeout 200s -- ./kernelhalf >got 2>errors </dev/null
if cmp -s host got; then
  ok "$name"
else
  not_ok "$name" "$(diff host got | grep '^[<>]' | head -n 4 | tr '\n' ' ')$(tail -n 2 errors)"
fi

name='meminfo tells the pages of the direct map, vmallocinfo the stacks'
"$quire" run --quiet --timeout 100s -- busybox sh -c '
  cat /proc/meminfo
  grep -c "20480 allocateStack() pages=4 vmalloc N0=4$" /proc/vmallocinfo' >got 2>errors </dev/null
if awk '/^DirectMap/ { sum += $2; lines++ } /^VmallocUsed/ { used = $2 }
  END { exit !(lines == 2 && sum >= 262144 && used >= 16 && $1 >= 1) }' got; then
  ok "$name"
else
  not_ok "$name" "$(tail -n 4 got | tr '\n' ' ')"
fi

# --- guards

name='a touch of a guard behind a block is a fault that names the frame'
"$quire" run --quiet --boot 'debug_guardpage=1 lkdtm=PAGE_LINEAR_OVERFLOW' --timeout 100s -- \
  busybox true >got 2>errors </dev/null
status=$?
if [[ $status == 125 ]] &&
  grep -qE 'kernel fault: trap 14,.*, which is in frame [0-9]+, kept from the kernel' errors; then
  ok "$name"
else
  not_ok "$name" "status $status: $(tail -n 2 errors | tr '\n' ' ')"
fi
name='a machine with guards behind its blocks runs a program'
if got=$("$quire" run --quiet --boot 'debug_guardpage=3 audit' --timeout 200s -- \
  busybox sh -c 'grep DirectMap /proc/meminfo; busybox seq 1 200 | busybox sort -rn | head -n 1' \
  2>errors </dev/null) && awk '/2M/ { large = $2 } END { exit !(large == 0 && $1 == 200) }' \
  <<<"$got"; then
  ok "$name"
else
  not_ok "$name" "$(tr '\n' ' ' <<<"$got")$(tail -n 2 errors | tr '\n' ' ')"
fi

# --- contiguous areas

if [[ -f $root/Tests/acceptance/contiguous.sh ]]; then
  bash "$root/Tests/acceptance/contiguous.sh" || failures=$((failures + 1))
fi

# --- what takes long

if [[ ${QUIRE_LONG:-yes} != no ]]; then
  # Optimised, with the locks seen: `DEBUG` is what lets CPUs change inside one.
  build=(swift build -c release -Xswiftc -DDEBUG --package-path "$root"
    --scratch-path "$root/.build/simulation" --product simulate)
  check 'the simulation builds' "${build[@]}"
  check '100 million random operations on all allocators' \
    timeout 3600 "$("${build[@]}" --show-bin-path)/simulate" 100000000
  check 'the fragmentation experiment' env QUIRE_LONG=yes timeout 1800 \
    swift test --package-path "$root" --filter FragmentationExperimentTests
  check 'one-line breaks of the allocators are noticed' \
    timeout 7200 "$root/Tests/mutations/run.sh" "$root/Tests/mutations/allocators.txt"
  check 'the native rows meet their bars' bash -c "$quire bench native --json native.json &&
    python3 -c 'import json; rows = json.load(open(\"native.json\"))[\"rows\"]
assert rows and all(row[\"met\"] for row in rows)'"
fi

exit $((failures > 0))
