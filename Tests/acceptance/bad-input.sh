#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bad input: whatever a program passes, Linux's answer, and the machine goes on with no frame lost.
# Prints `ok NAME` or `not ok NAME`.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
quire=$root/quire
# Not below /tmp, which is the machine's own inside it.
work=$(mktemp -d -p "${QUIRE_WORK:-$root/.build}")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

ok() { printf 'ok %s\n' "$1"; }
not_ok() { # NAME REASON
  printf 'not ok %s # %s\n' "$1" "$2"
  failures=$((failures + 1))
}
compile() { # NAME
  gcc -O1 -w -static -o "$1" "$root/Tests/programs/$1.c" || exit 1
}
# Runs a program in a machine whose memory is audited at the end of every process.
run() { # PROGRAM
  "$quire" run --quiet --boot audit --timeout 300s -- "./$1" >"$1.quire" 2>"$1.err" </dev/null
}

# --- pointers

compile badinput
./badinput >badinput.host
if run badinput && tail -n 1 badinput.quire | grep -q 'goes on'; then
  ok 'bad pointers leave the machine as it was'
else
  not_ok 'bad pointers leave the machine as it was' "$(tail -n 2 badinput.err | tr '\n' ' ')"
fi
# What the machine does not serve is named by itself, and compared once it is served.
sed -n 's/: not served$//p' badinput.quire badinput.host | sort -u >missing
# So is what it refuses on purpose, before it looks at an argument.
sed -n '/^## Refused/,/^## Not/s/^| [0-9]* | `\([a-z0-9_]*\)` .*/\1/p' \
  "$root/Documentation/coverage.md" >refused
cat refused >>missing
compared() { awk 'NR == FNR { missing[$1]; next } !($1 in missing) && !/not served/' missing "$1"; }
compared badinput.host >host
compared badinput.quire >quire
if cmp -s host quire; then
  ok "bad pointers: $(wc -l <host) answers as Linux's"
else
  not_ok 'bad pointers: answers as on Linux' \
    "$(diff host quire | grep -c '^>') of $(wc -l <host) differ: $(diff host quire | grep '^[<>]' | head -n 6 | tr '\n' ' ')"
fi
while read -r name; do
  if ! grep -qx "$name" refused &&
    grep -qE "^\| [0-9]+ \| \`$name\` \| \`" "$root/Documentation/coverage.md"; then
    not_ok "bad pointers: $name" 'coverage says that it is served'
  fi
done <missing

# --- links, names, descriptors, pipes

compile oddinput
./oddinput >oddinput.host
if run oddinput && cmp -s oddinput.host oddinput.quire; then
  ok 'circles of links, long names, 1,000 files, pipes that nobody reads'
else
  not_ok 'circles of links, long names, 1,000 files, pipes that nobody reads' \
    "$(diff oddinput.host oddinput.quire | grep '^[<>]' | head -n 6 | tr '\n' ' ')$(tail -n 2 oddinput.err | tr '\n' ' ')"
fi

# --- the machine that a program sees

compile machine
run machine
sed 's/^\(not \)\{0,1\}ok /&the machine: /' machine.quire
failures=$((failures + $(grep -c '^not ok' machine.quire)))
grep -q '^ok process 1 reaps orphans' machine.quire || not_ok 'the machine: to its end' \
  "$(tail -n 2 machine.err | tr '\n' ' ')"

exit $((failures > 0))
