#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Processes and threads: what programs print is what they print on the host, and a machine
# outlives more of them than it likes. Prints `ok NAME` or `not ok NAME`.
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

# Runs a program in a machine: output, errors and status in files `got.*`. Where hundreds of
# processes end the memory is not audited at the end of each: `--boot audit` is the caller's.
run() {
  "$quire" run --quiet --timeout 300s "$@" >got.out 2>got.err </dev/null
  echo $? >got.status
}
# Expects what the last run printed and its status.
expect() { # NAME STATUS OUTPUT-FILE
  if [[ $(cat got.status) != "$2" ]]; then
    not_ok "$1" "status $(cat got.status) instead of $2: $(head -c 300 got.err | tr '\n' ' ')"
  elif ! cmp -s got.out "$3"; then
    not_ok "$1" "other output: $(diff "$3" got.out | head -n 4 | tr '\n' ' ')"
  else
    ok "$1"
  fi
}
expect_lines() { # NAME STATUS LINE...
  local name=$1 status=$2
  shift 2
  printf '%s\n' "$@" >expected
  expect "$name" "$status" expected
}

for program in threads limits many; do
  gcc -O1 -w -static -pthread -o "$program" "$root/Tests/programs/$program.c" || exit 1
done

# --- beside the host

for program in threads limits; do
  "./$program" >expected
  run --boot audit -- "$work/$program"
  expect "$program prints what it prints on the host" 0 expected
done

# --- more than a machine likes

run --memory 64M -- "$work/many" processes 500
expect_lines '500 processes live at once in 64 MiB' 0 '500 at once' '500 ended'
run --boot audit -- "$work/many" bomb 50
expect_lines 'a fork bomb stops at its limit' 0 \
  '50 were refused' 'all are gone: yes' 'and others begin: 1'
run --memory 128M -- "$work/many" wild
: >expected
expect 'a machine whose memory processes use up kills its program' 137 expected
run --memory 16M --boot audit -- "$work/many" threads 8
expect_lines 'eight threads take and give back memory in 16 MiB' 0 'sum 184320'
run -- "$work/many" sleepers 300
expect_lines '300 processes sleep for times of their own' 0 '300 slept'

[[ $failures == 0 ]]
