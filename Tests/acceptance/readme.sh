#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the commands of the README as they stand there. The tests themselves are left out, since
# this is one of them; the benchmark is run with QUIRE_LONG=yes.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$root/quire" quire
cp "$root/README.md" .
failures=0
count=0

while IFS= read -r command; do
  case $command in
  './quire test'*) continue ;;
  './quire bench'*) [[ ${QUIRE_LONG:-no} == yes ]] || continue ;;
  esac
  count=$((count + 1))
  if timeout 900 bash -c "$command" >out 2>err </dev/null && [[ -s out || -s err ]]; then
    printf 'ok %s\n' "$command"
  else
    printf 'not ok %s # %s\n' "$command" "$(tail -n 1 err)"
    failures=$((failures + 1))
  fi
done < <(sed -n 's/^    \(\.\/quire .*\)/\1/p' README.md)

if ((count < 6)); then
  printf 'not ok the README has commands # only %s were found\n' "$count"
  failures=$((failures + 1))
fi
((failures == 0))
