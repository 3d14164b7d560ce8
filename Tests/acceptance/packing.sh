#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Programs of this host run in the machine with all that they need, and nothing is named for them.
# Prints `ok …` or `not ok …` for each promise.
set -uo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
quire=$root/quire
# Not in /tmp, which is the machine's own.
work=$(mktemp -d /var/tmp/quire-packing.XXXXXX)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
failures=0

check() { # NAME CONDITION...
  local name=$1
  shift
  if "$@"; then
    printf 'ok %s\n' "$name"
  else
    printf 'not ok %s\n' "$name"
    failures=$((failures + 1))
  fi
}

run() { timeout 300 "$quire" run --timeout 240s "$@"; }

# Runs a program here and in the machine: the same output and status.
agrees() { # COMMAND...
  local here=0 there=0
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME="$work" "$@" \
    >"$work/here" 2>/dev/null </dev/null || here=$?
  run -- "$@" >"$work/there" 2>"$work/err" </dev/null || there=$?
  if [[ $here == "$there" ]] && cmp -s "$work/here" "$work/there"; then return 0; fi
  printf '# status %s, here %s: %s\n' "$there" "$here" "$(head -c 300 "$work/err")"
  return 1
}

check "a dynamic program" agrees /bin/ls -d / /usr /etc
# shellcheck disable=SC2016 # it is the inner shell that expands them
check "a shell and the essential programs" \
  agrees bash -c 'x=$(printf "b\na\n" | sort | tr "\n" " "); echo "$x $(basename /a/b)"'
check "an interpreter and its library" agrees perl -MData::Dumper -e 'print Dumper([1, {a => 2}])'
check "an interpreter that comes in parts" \
  agrees /usr/bin/python3 -c 'import json, re; print(json.dumps({"a": [1, None]}))'
check "its modules are as their compiled files know them" \
  bash -c "'$quire' run --quiet --timeout 240s -- /usr/bin/python3 -v -c 'import json' 2>&1 |
    grep -q 'code object from .*json/__pycache__'"
check "a database's shell" agrees sqlite3 :memory: 'select 1 + 1, hex(x'"'"'ff'"'"')'
check "a small interpreter" agrees lua5.4 -e 'print(string.rep("ab", 3))'

printf '#!/usr/bin/env -S awk -f\nBEGIN { print 6 * 7 }\n' >"$work/script"
chmod +x "$work/script"
check "a script whose line is split by env" agrees "$work/script"

if /usr/bin/python3 -m venv --without-pip "$work/venv" 2>/dev/null; then
  printf 'value = 5\n' >"$(echo "$work"/venv/lib/python3*/site-packages)/own.py"
  printf '#!%s\nimport own, sys\nprint(own.value, sys.prefix)\n' "$work/venv/bin/python" \
    >"$work/venv/bin/tool"
  chmod +x "$work/venv/bin/tool"
  check "a program of a virtual environment" agrees "$work/venv/bin/tool"
fi

# What is missed is named; what is named can be added.
printf '#!/bin/sh\ncat "$1"\n' >"$work/show"
mkdir "$work/data"
printf 'seen\n' >"$work/data/file"
chmod +x "$work/show"
away=$root/README.md
run -- "$work/show" "$away" >"$work/out" 2>"$work/err" </dev/null
check "a path that is missed is named" \
  grep -qF "not on the root disk: $away (add --file $away)" "$work/err"
run --file "$away" -- "$work/show" "$away" >"$work/out" 2>"$work/err" </dev/null
check "a path that was added is there" cmp -s "$work/out" "$away"
check "and is not named any more" bash -c "! grep -qF 'not on the root disk' '$work/err'"
check "a file of a package brings the package" bash -c "
  '$quire' run --quiet --timeout 240s --file /usr/include/stdio.h -- \
    /bin/ls /usr/include/stdlib.h >/dev/null"

# Whole roots: a folder, an archive of it, an image of it.
mkdir -p "$work/tree/bin" "$work/tree/etc"
cp /bin/busybox "$work/tree/bin/busybox"
ln -s busybox "$work/tree/bin/cat"
printf 'mine\n' >"$work/tree/etc/motd"
tar -C "$work/tree" -czf "$work/tree.tar.gz" .
/sbin/mke2fs -q -t ext2 -b 4096 -d "$work/tree" "$work/tree.img" 8M
/sbin/mke2fs -q -t ext2 -b 1024 "$work/small.img" 1M
/sbin/mke2fs -q -t ext4 -b 4096 "$work/journal.img" 16M
for kind in tree tree.tar.gz tree.img; do
  check "--root $kind" test "$(run --quiet --root "$work/$kind" -- cat /etc/motd 2>&1)" == mine
done
run --root "$work/tree" -- no-such-program >"$work/out" 2>"$work/err"
check "a program that a root does not have: 127" test $? == 127
run --root "$work/small.img" -- cat >"$work/out" 2>"$work/err"
check "an image of small blocks: 125" test $? == 125
check "an image of small blocks: why" grep -qF 'blocks of 1024 bytes' "$work/err"
run --root "$work/journal.img" -- cat >"$work/out" 2>"$work/err"
check "an image of ext4: 125" test $? == 125
run --root "$work/script" -- cat >"$work/out" 2>"$work/err"
check "a file that is no root: 125" test $? == 125
run --root "$work/none" -- cat >"$work/out" 2>"$work/err"
check "a root that is not there: 64" test $? == 64

# The image: the same whoever makes it, at any time, whatever comes between.
digest() { run --json "$work/json" -- /bin/true >/dev/null 2>&1 && grep root_sha256 "$work/json"; }
first=$(XDG_CACHE_HOME=$work/one digest)
second=$(umask 077 && XDG_CACHE_HOME=$work/two TZ=Asia/Tokyo LC_ALL=C digest)
check "two caches have the same image" test -n "$first" -a "$first" == "$second"
for try in 1 2 3; do
  rm -rf "$work/three/quire/disks"
  XDG_CACHE_HOME=$work/three "$quire" run --dry-run -- /bin/true >/dev/null 2>&1 &
  tool=$!
  sleep 0."$try"
  kill -KILL "$tool" 2>/dev/null
  wait "$tool" 2>/dev/null
done
check "a killed packing leaves no half image" test "$first" == "$(XDG_CACHE_HOME=$work/three digest)"
check "and nothing in the making" test -z "$(ls -A "$work/three/quire/making" 2>/dev/null)"
start=$(date +%s%N)
XDG_CACHE_HOME=$work/three "$quire" run --dry-run -- /bin/true >/dev/null 2>&1
printf '# a warm packing took %s ms\n' $((($(date +%s%N) - start) / 1000000))

if ((EUID == 0)) && command -v setpriv >/dev/null; then
  mkdir "$work/user"
  chown 65534:65534 "$work/user"
  chmod 755 "$work"
  built=$(ls -dt "$root"/.build/quire/*/quire 2>/dev/null | head -n 1)
  if setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$built"; then
    # The launcher of a user who may not write here looks for what is built.
    setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$work/user" \
      XDG_CACHE_HOME="$work/user" "$quire" run --json "$work/user/json" -- /bin/true \
      >/dev/null 2>&1 </dev/null
    third=$(grep root_sha256 "$work/user/json")
    check "a user without rights has the same image" test "$first" == "$third"
  fi
fi

exit $((failures > 0))
