#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files, locks, sockets and calls that are seldom made: programs that print on Quire what they print
# on this machine's Linux, line by line. Prints `ok NAME` or `not ok NAME`.
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

for program in files locks sockets splice readiness calls; do
  name="$program.c prints what it prints on Linux"
  if ! gcc -O1 -w -static -pthread -o "$program" "$root/Tests/programs/$program.c"; then
    not_ok "$name" "it cannot be compiled"
    continue
  fi
  timeout 60s "./$program" >expected 2>/dev/null </dev/null
  "$quire" run --quiet --boot audit --timeout 120s --json "$program.json" -- \
    "$work/$program" >got 2>errors </dev/null
  status=$?
  if [[ $status != 0 ]]; then
    not_ok "$name" "status $status: $(head -c 300 errors | tr '\n' ' ')"
  elif difference=$(diff expected got); then
    ok "$name"
  else
    not_ok "$name" "$(head -n 4 <<<"$difference" | tr '\n' ' ')"
  fi
done

# glibc asks nscd through a socket before it reads /etc/passwd.
name='no call on unix sockets is refused'
if grep -qE '"(socket|connect|getpeername|sendmsg|recvmsg)"' ./*.json; then
  not_ok "$name" "$(grep -hoE '"(socket|connect|getpeername|sendmsg|recvmsg)"' ./*.json | tr '\n' ' ')"
else
  ok "$name"
fi

# --- the numbers of /proc

gcc -O1 -w -static -pthread -o numbers "$root/Tests/programs/numbers.c" || exit 1
"$quire" run --quiet --boot audit --timeout 120s -- "$work/numbers" /var/scratch \
  >got 2>errors </dev/null
grep -E '^(not )?ok ' got
failures=$((failures + $(grep -c '^not ok' got)))
grep -q '^[0-9]* wrong$' got || not_ok 'the numbers of /proc: to the end' "$(tail -n 2 errors | tr '\n' ' ')"

exit $((failures > 0))
