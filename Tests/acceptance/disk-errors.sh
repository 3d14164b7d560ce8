#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Disks that fail: QEMU's blkdebug refuses transfers, and programs see what Linux shows them.
# Prints `ok NAME` or `not ok NAME`.
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
check() { # NAME STATUS EXPECTED-FILE
  if [[ $2 == 0 ]] && cmp -s "$3" got; then
    ok "$1"
  else
    not_ok "$1" "status $2: $(diff "$3" got | head -n 6 | tr '\n' ' ')$(tail -n 2 err | tr '\n' ' ')"
  fi
}
# Options for QEMU that put an error into a disk of the machine.
refusing() { # DISK EVENT IMAGE [SECTOR]
  {
    printf '[inject-error]\nevent = "%s"\nerrno = "5"\n' "$2"
    if (($# > 3)); then printf 'sector = "%s"\n' "$4"; fi
  } >"$1.conf"
  printf -- '-set drive.%s.file=blkdebug:%s/%s.conf:%s' "$1" "$work" "$1" "$3"
}
gcc -O1 -w -static -o diskerrors "$root/Tests/programs/diskerrors.c" || exit 1

# --- writing

cat >expected <<'END'
write: ok
fsync: EIO
fsync again: ok
fsync of another: EIO
fsync of another again: ok
fsync of a later one: ok
syncfs: EIO
syncfs again: EIO
read: ok
what was written is there: written
write: ok
sync_file_range: EIO
sync_file_range again: ok
fsync of the first: EIO
msync: EIO
close: ok
synchronous write: EIO
unlink: ok
END
# In the place of the one that the tool makes. A syncfs writes the superblock each time.
/sbin/mke2fs -q -t ext2 -b 4096 -O ^dir_index,^resize_inode,^ext_attr scratch.img 64M 2>err || exit 1
"$quire" run --quiet --boot audit --timeout 120s --disk 64M \
  --qemu-opts "$(refusing scratch write_aio "$work/scratch.img")" -- \
  ./diskerrors write /var/scratch >got 2>err </dev/null
check 'a disk that cannot be written: each open file is told once' $? expected

# --- reading

head -c 12288 /dev/zero | tr '\0' 'x' >file
pack=(--file "$work/file:/file" --timeout 120s)
image=$("$quire" run --dry-run "${pack[@]}" -- ./diskerrors read /file 2>err |
  grep -o 'file=[^,]*,if=none,id=root' | sed 's/^file=//; s/,.*//')
block=$(/sbin/debugfs -R 'blocks /file' "$image" 2>err | awk '{ print $2 }')
cat >expected <<'END'
up to the damage: 4096
at the damage: EIO
again: EIO
behind it: 4096
page 0: 120
page 1: signal 7 code 2 at 4096
page 2: 120
as a call's argument: EFAULT
END
if [[ -z $block ]]; then
  not_ok 'a page that cannot be read' "no block of it: $(tail -n 2 err | tr '\n' ' ')"
else
  "$quire" run --quiet --boot audit "${pack[@]}" \
    --qemu-opts "$(refusing root read_aio "$image" "$((block * 8))")" -- \
    ./diskerrors read /file >got 2>err </dev/null
  check 'a page that cannot be read: EIO, and SIGBUS where it is mapped' $? expected
fi

exit $((failures > 0))
