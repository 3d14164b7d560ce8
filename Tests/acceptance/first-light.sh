#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# First light: real static programs on Quire's page tables. Prints `ok NAME` or `not ok NAME`.
# The longer repetitions are done with QUIRE_LONG=yes.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
quire=$root/quire
long=${QUIRE_LONG:-no}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir temporary
export TMPDIR=$work/temporary
failures=0

ok() { printf 'ok %s\n' "$1"; }
not_ok() { # NAME REASON
  printf 'not ok %s # %s\n' "$1" "$2"
  failures=$((failures + 1))
}
check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$work/check.out" 2>&1; then ok "$name"; else
    not_ok "$name" "$(tail -n 3 "$work/check.out" | tr '\n' ' ')"
  fi
}

# Runs a program in a machine whose memory is audited at the end of every process: output,
# errors and status in files `got.*`.
run() {
  "$quire" run --quiet --boot audit --timeout 300s "$@" >got.out 2>got.err </dev/null
  echo $? >got.status
}
# Expects what the last run printed and its status.
expect() { # NAME STATUS OUTPUT-FILE
  if [[ $(cat got.status) != "$2" ]]; then
    not_ok "$1" "status $(cat got.status) instead of $2: $(head -c 300 got.err | tr '\n' ' ')"
  elif [[ -n ${3-} ]] && ! cmp -s got.out "$3"; then
    not_ok "$1" "other output: $(head -c 200 got.out | tr '\n' ' ')"
  else
    ok "$1"
  fi
}
number() { # KEY FILE: an integer of a JSON summary
  grep -oE "\"$1\": *[0-9]+" "$2" | head -n 1 | grep -oE '[0-9]+$'
}

busybox=$(readlink -f "$(command -v busybox)")

# --- programs

compile() { # COMPILER NAME
  "$1" -O1 -w -static -o "$2-${1%%-*}" "$root/Tests/programs/$2.c"
}
for program in mappings faults pointers signals mapped threads poll signals2 terminal timers \
  mlock pinned; do
  compile gcc "$program" || exit 1
done
musl-gcc -O1 -w -static -pthread -o threads-musl "$root/Tests/programs/threads.c" || exit 1
musl-gcc -O1 -w -static -o hello-musl "$root/Tests/programs/hello.c" || exit 1
gcc -O1 -w -static -o hello-gcc "$root/Tests/programs/hello.c" || exit 1

# --- the shell and its applets

script='seq 1 100000 | sort -rn | head -3'
"$busybox" sh -c "$script" >expected
run -- "$busybox" sh -c "$script"
expect 'a pipeline of applets prints what the host prints' 0 expected

run -- "$busybox" sh -c 'exit 42'
expect 'the exit status is passed through' 42
run -- "$busybox" sh -c 'kill -TERM $$'
expect 'a signal is 128 and its number' 143

dd if=/dev/urandom bs=1M count=10 of=random status=none
seq 1 1400000 | head -c 10485760 >ten
"$busybox" gzip -c <ten >expected
"$quire" run --quiet --timeout 300s -- "$busybox" gzip -c <ten >got.out 2>got.err
echo $? >got.status
expect 'gzip of 10 MB is byte for byte the host'"'"'s' 0 expected
"$busybox" sha256sum <random >expected
"$quire" run --quiet --timeout 300s -- "$busybox" sha256sum <random >got.out 2>got.err
echo $? >got.status
expect 'sha256sum of 10 MB is the host'"'"'s' 0 expected

"$quire" run --quiet --timeout 300s --json cat.json -- "$busybox" cat <random >got.out 2>got.err
echo $? >got.status
expect 'cat of 10 MB loses no byte' 0 random
instructions=$(number virtual_nanoseconds cat.json)
check "cat of 10 MB takes under 300 million instructions ($instructions)" \
  test "${instructions:-999999999}" -lt 300000000

for program in "$busybox" "$work/hello-musl" "$work/hello-gcc"; do
  sha256sum <"$program" | cut -d' ' -f1 >expected
  if [[ $program == "$busybox" ]]; then
    run -- "$program" sh -c 'sha256sum </proc/self/exe | cut -d" " -f1'
  else
    run --file "$busybox:/bin/busybox" -- "$program" exe
  fi
  expect "/proc/self/exe of ${program##*/} is the host's file" 0 expected
done

# --- compilers and libraries

for kind in musl gcc; do
  "./hello-$kind" one two >expected
  run -- "$work/hello-$kind" one two
  expect "a static $kind program runs" 0 expected
done
if swiftc -O -static-executable -o hello-swift "$root/Tests/programs/hello.swift" \
  >swiftc.out 2>&1; then
  ./hello-swift >expected
  run -- "$work/hello-swift"
  expect 'a static Swift program runs' 0 expected
else
  not_ok 'a static Swift program runs' "$(tail -n 1 swiftc.out)"
fi

# --- small machines

"$busybox" sh -c "$script" >expected
run --memory 16M -- "$busybox" sh -c "$script"
expect 'busybox runs in 16 MiB' 0 expected

awk 'BEGIN { for (n = 1; n <= 983040; n++) { seed = (seed * 1103515245 + 12345) % 2147483648
  printf "%010d of a line that is as long as many lines are, no. %07d\n", seed, n } }' |
  head -c 62914560 >sixty
pieces='i=0; while [ $i -lt 60 ]; do
  dd if=/data/sixty bs=1M skip=$i count=4 2>/dev/null | sort | sha256sum; i=$((i + 4)); done
  sha256sum </data/sixty'
"$busybox" sh -c "${pieces//\/data\//$work/}" >expected
run --memory 32M --file "$work/sixty:/data/sixty" -- "$busybox" sh -c "$pieces"
expect 'a 60 MiB file is sorted in pieces and summed in 32 MiB' 0 expected

./mapped-gcc sixty 2 >expected
run --memory 32M --json mapped.json --file "$work/sixty:/data/sixty" \
  --qemu-opts "-trace virtio_blk_handle_read -D $work/reads" -- "$work/mapped-gcc" /data/sixty 2
expect '60 MiB of mapped data are read twice in 32 MiB' 0 expected
major=$(number faultFileMajor mapped.json)
pages=$(number pages_read mapped.json)
# The emulator names each request with its length in sectors.
sectors=$(grep -oE 'nsectors [0-9]+' reads | awk '{ sum += $2 } END { print sum + 0 }')
check "what was read is the host's count of blocks ($major faults, $pages pages, $sectors sectors)" \
  test "$((pages * 8))" = "$sectors" -a "$pages" -gt 0
check 'both rounds were read from the disk' test "${pages:-0}" -gt 30000

cat >expected <<'END'
locked: all in memory, not read again
beside it: not all in memory, read again
a child's: all in memory, not read again
unlocked: not all in memory, read again
END
run --memory 32M --file "$work/sixty:/data/sixty" -- "$work/pinned-gcc" /data/sixty
expect 'locked pages of a file stay while 60 MiB pass through 32 MiB' 0 expected

# --- what Linux does, line by line

for program in {mappings,faults,pointers,signals,threads,poll,signals2,terminal,timers,mlock}-gcc \
  threads-musl; do
  "./$program" >expected 2>/dev/null
  run -- "$work/$program"
  if [[ $(cat got.status) == 0 ]] && diff expected got.out >differences; then
    ok "every line of $program is Linux's ($(wc -l <expected) lines)"
  else
    not_ok "every line of $program is Linux's" \
      "status $(cat got.status), $(head -n 6 differences | tr '\n' ' ')"
  fi
done

# --- the same log, whatever the host does

digest_of() { # LOG ARGUMENT...: runs, keeps the raw log
  "$quire" run --quiet --log "$1" "${@:2}" -- "$busybox" sh -c "$script" >/dev/null 2>digest.err
}
digest_of first.log
same() { # NAME ARGUMENT...
  if digest_of other.log "${@:2}" && cmp -s first.log other.log; then ok "$1"; else
    not_ok "$1" "$(cmp first.log other.log 2>&1 | head -n 1) $(head -n 1 digest.err)"
  fi
}
same 'the log is the same on an idle host'
(while :; do :; done) &
one=$!
(while :; do :; done) &
two=$!
same 'the log is the same with both cores busy'
kill "$one" "$two"
wait "$one" "$two" 2>/dev/null
sync
echo 3 2>/dev/null >/proc/sys/vm/drop_caches
same 'the log is the same with cold caches'
same 'the log is the same with a throttled drive' \
  --qemu-opts '-set drive.root.throttling.iops-total=300'
repetitions=3
[[ $long == yes ]] && repetitions=20
equal=0
for ((i = 0; i < repetitions; i++)); do
  digest_of other.log && cmp -s first.log other.log && equal=$((equal + 1))
done
check "the log is the same in $repetitions runs" test "$equal" = "$repetitions"

# --- what cannot be run

refused() { # NAME STATUS WORD ARGUMENT...
  local name=$1 status=$2 word=$3
  shift 3
  "$quire" run "$@" >got.out 2>got.err </dev/null
  local got=$?
  if [[ $got != "$status" ]]; then
    not_ok "$name" "status $got: $(head -n 2 got.err | tr '\n' ' ')"
  elif [[ $(wc -l <got.err) != 1 || $(cat got.err) != quire:*:* ]]; then
    not_ok "$name" "not one line of the form: $(head -n 3 got.err | tr '\n' '|')"
  elif ! grep -qi -- "$word" got.err; then
    not_ok "$name" "does not name $word: $(cat got.err)"
  else
    ok "$name"
  fi
}
printf 'not a program\n' >text
chmod +x text
head -c 3000 hello-gcc >truncated
{ head -c 40 hello-gcc; head -c 4000 /dev/urandom; } >corrupt
chmod +x truncated corrupt
if gcc -m32 -x c -nostdlib -static -o i386 - <<<'void _start(void) { for (;;) ; }' 2>/dev/null; then
  :
else
  # An i386 header is enough to be named.
  printf '\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0' >i386
  head -c 4000 /dev/zero >>i386
fi
chmod +x i386
refused 'a missing program is 127' 127 missing-program -- ./missing-program
refused 'a text file is 126' 126 text -- ./text
refused 'an i386 program is 126 and named' 126 i386 -- ./i386
refused 'a truncated program is 126 and named' 126 truncated -- ./truncated
refused 'a corrupt program is 126 and named' 126 corrupt -- ./corrupt
refused 'a size that is none is 64' 64 banana --memory banana -- "$busybox" true
refused 'an unknown option is 64' 64 nonsense --nonsense -- "$busybox" true
refused 'a machine too small is 125 and says how small it may be' 125 '[0-9][KM]' \
  --memory 1M -- "$busybox" true

# --- nothing stays behind

children() { pgrep -f "qemu-system-x86_64.*quire[.]memory" | wc -l; }
before=$(children)
files_before=$(ls -A "$TMPDIR")
"$quire" run --quiet -- "$busybox" sh -c 'while :; do :; done' </dev/null &
tool=$!
for _ in $(seq 100); do
  (($(children) > before)) && break
  sleep 0.1
done
started=$(children)
# The launcher becomes the tool; its own number is the one to kill.
kill -9 "$tool"
wait "$tool" 2>/dev/null
for _ in $(seq 50); do
  (($(children) == before)) && break
  sleep 0.1
done
check 'kill -9 of the tool leaves no machine' \
  test "$started" -gt "$before" -a "$(children)" = "$before"
check 'kill -9 of the tool leaves no file' test "$(ls -A "$TMPDIR")" = "$files_before"

# --- how soon

"$quire" run --verbose --json boot.json -- "$busybox" true >/dev/null 2>boot.err </dev/null
first=$(number start_instructions boot.json)
check "the first program begins after under 100 million instructions ($first)" \
  test "${first:-999999999}" -lt 100000000
check 'which --verbose prints' grep -q 'instructions to the program.s first' boot.err

# --- the core by itself, on the simulated machine

simulate() {
  cd "$root" && swift test --filter AllocatorSimulationTests
}
check 'a million seeded operations with failures keep the invariants' simulate
if [[ $long == yes ]]; then
  check 'each listed one-line break of the core is noticed' sh "$root/Tests/mutations/run.sh"
fi

((failures == 0))
