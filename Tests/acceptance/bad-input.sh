#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bad input: whatever a program passes, Linux's answer, and the machine goes on with no frame lost.
# Prints `ok NAME` or `not ok NAME`. QUIRE_LONG=yes tries ten times as many damaged disks.
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

# --- a full disk, large files, long names, more to write than memory

compile disk
# Does something on the scratch disk, which must be sound afterwards.
on_disk() { # NAME WHAT EXPECTED-FILE OPTION...
  local name=$1 what=$2 expected=$3 status
  shift 3
  rm -rf record
  "$quire" run --quiet --boot audit --timeout 300s --record record "$@" -- \
    ./disk "$what" /var/scratch >got 2>err </dev/null
  status=$?
  if [[ $status != 0 ]] || ! cmp -s "$expected" got; then
    not_ok "$name" "status $status: $(diff "$expected" got | head -n 6 | tr '\n' ' ')$(tail -n 2 err | tr '\n' ' ')"
    return
  fi
  ok "$name"
  if /sbin/e2fsck -fn record/disk.img >check 2>&1; then ok "$name: the disk is sound"; else
    not_ok "$name: the disk is sound" "$(tail -n 4 check | tr '\n' ' ')"
  fi
}
# What the same program prints on this host.
on_host() { # WHAT
  mkdir -p native
  ./disk "$1" native >"$1.host"
  rm -rf native
}
cat >full.expected <<'END'
write to a full disk: ENOSPC
all blocks were used: yes
fsync: ok
append: ENOSPC
within: ok
another file's name: ok
its first byte: ENOSPC
a folder: ENOSPC
a long link: ENOSPC
a short link: ok
a hole: ok
room: ENOSPC
another name: ok
renamed: ok
what was written is there: yes
cut: ok
again a byte: ok
again a folder: ok
removed: ok
removed: ok
its blocks are free: yes
one file more than there are inodes: ENOSPC
all inodes were used: yes
again a file: ok
END
on_disk 'a full disk' full full.expected --disk 8M
for what in large names dirty; do on_host "$what"; done
on_disk 'a file of 3 GiB' large large.host --disk 4G
on_disk 'names of 255 bytes' names names.host
on_disk '60 MiB of dirty pages in 32 MiB' dirty dirty.host --memory 32M --disk 256M

# --- damaged root disks

# A driver may refuse such a disk, or say EIO; it may not stop or hang.
mkdir -p tree/bin tree/many tree/deep/er damaged
cp "$(readlink -f "$(command -v busybox)")" tree/bin/busybox
for ((i = 0; i < 100; i++)); do echo "$i" >"tree/many/a file of its own $i"; done
head -c 300000 tree/bin/busybox >tree/deep/er/file
ln -s ../deep/er/file tree/many/link
ln -s "$(printf '../many/%.0s' {1..20})link" tree/deep/long
/sbin/mke2fs -q -F -t ext2 -b 4096 -I 128 -d tree whole.img 4M 2>err || exit 1
copies=40
if [[ ${QUIRE_LONG:-no} == yes ]]; then copies=400; fi
python3 "$root/Tests/acceptance/damage.py" whole.img "$copies" damaged
alive=0
refused=0
for ((i = 0; i < copies; i++)); do
  # What became a pipe waits for ever, what became terabytes long is read for ever, and a folder
  # whose name begins with its end is itself to `ls`, on any kernel: so there is a bound for each.
  # shellcheck disable=SC2016 # the inner shell expands them
  "$quire" run --quiet --boot audit --timeout 60s --json damage.json --root "damaged/$i.img" -- \
    /bin/busybox sh -c 'busybox ls -lR / | busybox head -n 3000
      for file in /many/* /deep/er/file /deep/long; do
        if test -f "$file"; then set -- "$@" "$file"; else echo "no file: $file"; fi
      done
      busybox head -c 400000 "$@"
      busybox stat -f /; cd /deep/er && busybox pwd; echo all was tried' >got 2>err </dev/null
  status=$?
  # 139 and the like: a program whose own pages are others' ends as Linux ends it.
  if [[ $status == 124 ]] || grep -qE 'kernel fault|event log|frame' <(grep '^quire:' err) ||
    grep -q '"cause": "deadlock"' damage.json 2>/dev/null; then
    not_ok "damaged disk $i" "status $status: $(tail -n 2 err | tr '\n' ' ')"
  elif grep -q 'all was tried' got; then alive=$((alive + 1)); else refused=$((refused + 1)); fi
  rm -f damage.json "damaged/$i.img"
done
if ((alive > copies / 4 && alive + refused == copies)); then
  ok "$copies damaged root disks: $refused refused, $alive read as far as they can be"
else
  not_ok 'damaged root disks' "of $copies $refused were refused and $alive read"
fi

# --- the machine that a program sees

compile machine
run machine
sed 's/^\(not \)\{0,1\}ok /&the machine: /' machine.quire
failures=$((failures + $(grep -c '^not ok' machine.quire)))
grep -q '^ok process 1 reaps orphans' machine.quire || not_ok 'the machine: to its end' \
  "$(tail -n 2 machine.err | tr '\n' ' ')"

exit $((failures > 0))
