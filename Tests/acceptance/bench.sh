#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The figures that Quire promises: its allocators beside Debian's on the host's processor, and the
# kernel beside Linux under the same emulator. Under 15 minutes; Linux is measured by the first run
# only. Prints a line for each promise; ends with 1 if one is broken.
# With QUIRE_LONG=no, as a plain ./quire test has it, a few rows of Quire alone.
set -uo pipefail

cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@"; then
    echo "ok $name"
  else
    echo "not ok $name"
    failures=$((failures + 1))
  fi
}

# Runs the bench; its table says more than the status when a row misses.
bench() { # NUMBER OPTION...
  timeout 800 ./quire bench guest --json "$work/$1.json" "${@:2}" >"$work/$1.txt" 2>"$work/$1.err"
}

met() { # KIND NAME: what the first run says of a row
  python3 - "$work/1.json" "$1" "$2" <<'PYTHON'
import json, sys
table = json.load(open(sys.argv[1]))
row = next(row for row in table[sys.argv[2]] if row["name"] == sys.argv[3])
sys.exit(row["met"] is False)
PYTHON
}

names() { # KIND
  python3 -c 'import json, sys
for row in json.load(open(sys.argv[1]))[sys.argv[2]]: print(row["name"])' "$work/1.json" "$1"
}

# Two runs may differ by 2 % at most, and no row of Quire's is above the peer's.
agree() {
  python3 - "$work/1.json" "$work/2.json" <<'PYTHON'
import json, sys
one, two = ({r["name"]: r["quire"] for r in json.load(open(p))["rows"]} for p in sys.argv[1:])
apart = [n for n in one if abs(one[n] - two[n]) > 0.02 * one[n]]
print(*(f"  {n}: {one[n]} and {two[n]}" for n in apart), sep="\n", end="\n" if apart else "")
sys.exit(bool(apart) or set(one) != set(two))
PYTHON
}

ahead() {
  python3 - "$work/1.json" <<'PYTHON'
import json, sys
rows = [r for r in json.load(open(sys.argv[1]))["rows"] if r["peers"]]
behind = [r["name"] for r in rows if r["quire"] > r["peers"][0]["instructions"]]
print(*(f"  {n}" for n in behind), sep="\n", end="\n" if behind else "")
sys.exit(bool(behind) or not rows)
PYTHON
}

# What other sizes and orders cost: each is compared with the published row of its kind.
others() {
  python3 - "$work/1.json" <<'PYTHON'
import json, sys
rows = {r["name"]: r["quire"] for r in json.load(open(sys.argv[1]))["rows"]}
apart = []
for other in json.load(open(sys.argv[1]))["others"]:
    if other["quire"] > 1.2 * rows[other["row"]]:
        apart.append(f"  {other['name']}: {other['quire']}, {other['row']}: {rows[other['row']]}")
print(*apart, sep="\n", end="\n" if apart else "")
sys.exit(bool(apart))
PYTHON
}

# The program of 32 bits, on the host's own Linux: a line for each row, in order.
narrow() {
  local rows
  mapfile -t rows < <(names rows)
  gcc -m32 -O2 -ffreestanding -fno-stack-protector -nostdlib -static -o "$work/narrow" \
    Tests/bench/guest.c && "$work/narrow" "${rows[@]}" >"$work/narrow.txt" || return
  printf '%s\n' boot memory-total memory-free calibration "${rows[@]}" |
    diff - <(sed -nE 's/^([a-z0-9-]+) [0-9]+ [0-9]+$/\1/p' "$work/narrow.txt")
}

# Instructions of the allocators alone: the bars, and twice the same.
native() {
  local first=$work/native1.json second=$work/native2.json name
  timeout 300 ./quire bench native --json "$first" >"$work/native.txt" 2>"$work/native.err"
  if [[ ! -s $first ]]; then
    cat "$work/native.err"
    check "quire bench native prints a table" false
    return
  fi
  cat "$work/native.txt"
  while read -r name; do
    check "$name of the allocators is within its bar" python3 -c 'import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
sys.exit(not next(row for row in rows if row["name"] == sys.argv[2])["met"])' "$first" "$name"
  done < <(python3 -c 'import json, sys
for row in json.load(open(sys.argv[1]))["rows"]: print(row["name"])' "$first")
  timeout 300 ./quire bench native --rows order-0,bytes-64,objects-10000,mixed \
    --json "$second" >/dev/null 2>&1
  check "two runs of the allocators agree within 2 %" python3 -c 'import json, sys
one, two = ({r["name"]: r["figures"][0]["instructions"] for r in json.load(open(p))["rows"]}
            for p in sys.argv[1:])
sys.exit(not two or any(abs(one[n] - two[n]) > 0.02 * one[n] for n in two))' "$first" "$second"
}

options=()
if [[ ${QUIRE_LONG:-yes} == no ]]; then
  options=(--without-linux --rows
    demand-zero,munmap-page,munmap-page:3000:1,mmap-munmap,mprotect-page,brk,fork-small,getppid)
else
  native
fi
bench 1 "${options[@]}"
if [[ ! -s $work/1.json ]]; then
  cat "$work/1.err"
  echo "not ok quire bench guest prints a table"
  exit 1
fi
cat "$work/1.txt"
for kind in rows machines; do
  while read -r name; do check "$name is within its bar" met "$kind" "$name"; done < <(names "$kind")
done
if ((${#options[@]} == 0)); then check "Quire is ahead of Linux in every row" ahead; fi
check "other sizes and orders agree within 20 %" others
check "the program of 32 bits measures the same rows" narrow
bench 2 "${options[@]}"
check "two runs agree within 2 %" agree
if ((${#options[@]} == 0)); then
  check "both benches took under 15 minutes ($SECONDS s)" test "$SECONDS" -lt 900
fi

((failures == 0)) || exit 1
