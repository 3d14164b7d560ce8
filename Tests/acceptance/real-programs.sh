#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Debian's programs on Quire: each prints what it prints on the host, ends with its status, and
# has the same digest when it runs again. Prints `ok NAME` or `not ok NAME`, then a table of what
# each took, slowest first. Arguments choose programs by name; QUIRE_LONG=yes repeats all of them.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
quire=$root/quire
sources=$root/Tests/programs/real
long=${QUIRE_LONG:-no}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
# The programs are Debian's, whatever else the host has under the same names.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
chosen=" $* "
failures=0
: >times

ok() { printf 'ok %s\n' "$1"; }
not_ok() { # NAME REASON
  printf 'not ok %s # %s\n' "$1" "$2"
  failures=$((failures + 1))
}
value() { # KEY FILE: an integer of a JSON summary
  grep -oE "\"$1\": *[0-9]+" "$2" | head -n 1 | grep -oE '[0-9]+$'
}
text() { # KEY FILE: a string of a JSON summary
  grep -oE "\"$1\": *\"[^\"]*\"" "$2" | head -n 1 | sed -E 's/.*: *"(.*)"/\1/'
}
milliseconds() { date +%s%3N; }

# What differs between two runs on the host too: addresses, and times of tests.
plain() { sed -E -e 's/0x[0-9a-f]{6,}/ADDRESS/g' -e 's/in [0-9.]+s$/in TIME/'; }

# Runs a program on the host and twice in a machine, each time in an empty folder, and compares.
# /data is a folder of the host's and of the machine's: its name is replaced on the host.
#
# program NAME [OPTION]... -- PROGRAM [ARGUMENT]...
program() {
  local name=$1 options=() started native data=$work/data
  shift
  [[ $chosen == '  ' || $chosen == *" $name "* ]] || return 0
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  rm -rf "$work/native"
  mkdir "$work/native"
  started=$(milliseconds)
  (cd "$work/native" && env -i PATH="$PATH" HOME=/root LANG=C.UTF-8 "${@//\/data/$data}" \
    <"${input:-/dev/null}" >"$work/$name.expected" 2>"$work/$name.expected.err")
  local expected=$?
  native=$(($(milliseconds) - started))
  guest "$name.first" "${options[@]}" -- "$@"
  local status=$? first=$name.first.json
  if [[ $status != "$expected" ]]; then
    not_ok "$name" "status $status, not $expected: $(head -c 300 "$name.first.err" | tr '\n' ' ')"
    return
  fi
  if ! cmp -s <(plain <"$name.expected" | sed "s|$data|/data|g") <(plain <"$name.first.out"); then
    not_ok "$name" "$(diff <(plain <"$name.expected" | sed "s|$data|/data|g") \
      <(plain <"$name.first.out") | head -n 6 | tr '\n' ' ')"
    return
  fi
  ok "$name prints what it prints on the host, with its status"
  printf '%s %s %s %s\n' "$(value instructions "$first")" "$native" "$took" "$name" >>times
  if grep -q '"refused_calls": \[\]' "$first"; then ok "$name is refused no system call"; else
    not_ok "$name is refused no system call" "$(grep -o '"refused_calls": .*' "$first")"
  fi
  guest "$name.second" "${options[@]}" -- "$@"
  if cmp -s "$name.first.out" "$name.second.out" &&
    [[ $(text digest "$first") == "$(text digest "$name.second.json")" ]]; then
    ok "$name has the same digest again"
  else
    not_ok "$name has the same digest again" \
      "$(text digest "$first") then $(text digest "$name.second.json")"
  fi
}

# Runs in a machine; output, errors and summary go to files that begin with NAME.
guest() { # NAME OPTION... -- PROGRAM...
  local name=$1 started status
  shift
  started=$(milliseconds)
  (cd "$work/empty" && "$quire" run --quiet --timeout 200s --json "$work/$name.json" --file "$work/data:/data" "$@" \
    <"${input:-/dev/null}" >"$work/$name.out" 2>"$work/$name.err")
  status=$?
  took=$(($(milliseconds) - started))
  return "$status"
}

# --- what is packed beside the programs

cp -r "$sources" data
mkdir empty
busybox=$(readlink -f "$(command -v busybox)")
{
  echo 'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;'
  echo 'CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value INTEGER);'
  for ((i = 0; i < 100000; i += 500)); do
    echo "WITH RECURSIVE n(i) AS (SELECT $i UNION ALL SELECT i + 1 FROM n WHERE i < $((i + 499)))"
    echo "INSERT INTO t SELECT i, 'name ' || (i * 7919 % 100003), i * i % 997 FROM n;"
  done
  echo 'CREATE INDEX by_name ON t(name);'
  echo 'SELECT count(*), sum(value) FROM t;'
  echo "SELECT id FROM t WHERE name = 'name 4242';"
  echo 'UPDATE t SET value = value + 1 WHERE id % 10 = 0;'
  echo 'SELECT sum(value) FROM t;'
  echo 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA integrity_check;'
} >rows.sql

# --- shells

program applets -- "$busybox" sh /data/applets.sh "$busybox"
program dash -- dash /data/dash.sh
program bash -- bash /data/bash.sh

# --- databases

input=$sources/memory.sql program sqlite-memory -- sqlite3
input=$work/rows.sql program sqlite-file -- sqlite3 rows.db

# --- interpreters

program python-tour -- python3 /data/tour.py
program python-list -- python3 /data/list.py
program python-unittest --file "$(command -v python3)" \
  -- sh -c 'exec python3 -m unittest discover -v -s /data/suite 2>&1'
if [[ $chosen == '  ' || $chosen == *' python-venv '* ]]; then
  python3 -m venv --without-pip "$work/venv" || not_ok python-venv 'no venv on the host'
  printf '#!%s\nimport sys\nprint(sys.prefix != sys.base_prefix, sys.argv[1:])\n' \
    "$work/venv/bin/python" >"$work/venv/bin/tool"
  chmod +x "$work/venv/bin/tool"
  program python-venv -- "$work/venv/bin/tool" one two
fi
program perl -- perl /data/words.pl
program lua -- lua5.4 /data/words.lua

# --- text and archives

program text --file "$(readlink -f "$(command -v gawk)")" --file "$(command -v sed)" \
  --file "$(command -v grep)" --file "$(command -v find)" -- sh /data/text.sh
program archive --disk 256M --file "$(command -v tar)" --file "$(command -v gzip)" \
  --file "$(command -v xz)" --file "$(command -v find)" --file "$(command -v diff)" \
  -- sh /data/archive.sh

# --- compilers

program gcc --file "$(command -v gcc)" -- sh /data/compile.sh /data/primes.c
if [[ $chosen == '  ' || $chosen == *' swift-'* ]]; then
  mkdir swift
  for kind in static dynamic; do
    flags=()
    [[ $kind == static ]] && flags=(-static-executable)
    if swiftc -O -swift-version 6 "${flags[@]}" -o "swift/$kind" "$sources/foundation.swift" \
      >swift.out 2>&1; then
      program "swift-$kind" -- "$work/swift/$kind"
    else
      not_ok "swift-$kind" "$(tail -n 1 swift.out)"
    fi
  done
fi

# --- small machines: what fits in 32 MiB on Linux

for small in dash:dash.sh bash:bash.sh perl:words.pl lua5.4:words.lua python3:tour.py; do
  program "small-${small%%:*}" --memory 32M -- "${small%%:*}" "/data/${small#*:}"
done
input=$sources/memory.sql program small-sqlite --memory 32M -- sqlite3
program small-text --memory 32M --file "$(readlink -f "$(command -v gawk)")" \
  --file "$(command -v sed)" --file "$(command -v grep)" --file "$(command -v find)" \
  -- sh /data/text.sh

# --- what each took

printf '\n%16s %10s %10s %8s  %s\n' 'instructions' 'guest ms' 'native ms' 'ratio' program
sort -rn times | while read -r virtual native guest name; do
  printf '%16s %10s %10s %8s  %s\n' "$virtual" "$guest" "$native" \
    "$((guest / (native > 0 ? native : 1)))" "$name"
done
((failures == 0))
