#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the tool promises whatever the kernel does: exit statuses, one-line errors, nothing left
# behind. Prints `ok …` or `not ok …` for each promise. QUIRE_LONG=yes also builds from nothing.
set -uo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
quire=$root/quire
work=$(mktemp -d)
mkdir "$work/temporary"
export TMPDIR=$work/temporary
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
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

# Runs the tool: a status, one line on standard error that has a text, nothing on standard output.
refuses() { # STATUS TEXT ARGUMENT...
  local wanted=$1 text=$2 status=0
  shift 2
  "$quire" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
  if [[ $status == "$wanted" && ! -s $work/out && $(wc -l <"$work/err") == 1 ]] &&
    grep -q '^quire: .*: ' "$work/err" && grep -qF -- "$text" "$work/err"; then
    return 0
  fi
  printf '# status %s: %s\n' "$status" "$(head -c 400 "$work/err")"
  return 1
}

emulator_of() { pgrep -P "$1" qemu-system 2>/dev/null; }

# Whether a process is there and no zombie.
lives() { [[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) == [RSDTt] ]]; }

if ! "$quire" version >"$work/version" 2>"$work/err"; then
  cat "$work/err"
  echo "not ok the tool can be built"
  exit 1
fi
check "version names kernel and emulator" grep -q '^kernel [0-9a-f]\{64\}$' "$work/version"
check "help is on standard output" bash -c "'$quire' help | grep -q 'run --'"

check "no verb: 64" refuses 64 "no verb"
check "an unknown verb: 64" refuses 64 "bogus" bogus
check "no program: 64" refuses 64 "no program" run
check "an unknown option: 64" refuses 64 "--bogus" run --bogus true
check "swap is not there yet: 125" refuses 125 "swap" run --swap 1M -- true
check "an impossible swap disk: 64" refuses 64 "pages" run --swap 5000 -- true
check "a missing swap image: 64" refuses 64 "/no/such" run --swap /no/such:3 -- true
check "a priority that Linux has not: 64" refuses 64 "40000" run --swap /no/such:40000 -- true
head -c 65536 /dev/zero >"$work/zeros"
check "a file without swap signature: 64" refuses 64 "signature" run --swap "$work/zeros" -- true
check "a contiguous area" test "$("$quire" run --quiet --cma 16M -- \
  busybox awk '/^CmaTotal/ { print $2 }' /proc/meminfo 2>&1)" == 16384
check "an area beyond memory: 64" refuses 64 "reaches" run --cma 512M -- true
check "an area where none can begin: 64" refuses 64 "4M" run --cma 4M@5M -- true
check "an area that is none: 64" refuses 64 "16M@x" run --cma 16M@x -- true
check "i686 is not there yet: 125" refuses 125 "i686" run --arch i686 -- true
check "another architecture: 64" refuses 64 "mips" run --arch mips -- true
check "KVM is not there yet: 125" refuses 125 "KVM" run --accel kvm -- true
check "an unknown boot word: 64" refuses 64 "bogus" run --boot 'audit bogus' -- busybox true
check "an unknown setting: 64" refuses 64 "vm.bogus" run --set vm.bogus=1 -- busybox true
check "a setting without a value: 64" refuses 64 "vm.x" run --set vm.x -- busybox true
check "a value that a setting cannot have: 64" refuses 64 "no such value" \
  run --set vm.overcommit_memory=7 -- busybox true
check "a setting is made" test \
  "$("$quire" run --quiet --set vm.max_map_count=99 -- busybox cat /proc/sys/vm/max_map_count)" == 99
check "a disk too small: 125 and the least" refuses 125 "--disk 1M" run --disk 64K -- true
check "a disk too large: 125 and the most" refuses 125 "--disk 1T" run --disk 2T -- true
check "a size that is none: 64" refuses 64 "banana" run --memory banana -- true
check "a missing value: 64" refuses 64 "--memory" run --memory
check "a variable without a name: 64" refuses 64 "FOO" run --env FOO -- true
check "a machine too small: 125 and the least" refuses 125 "at least --memory " run --memory 1M -- true
least=$(grep -oE -- '--memory [0-9]+K' "$work/err" | grep -oE '[0-9]+K')
check "which is true" test "$("$quire" run --quiet --boot audit --memory "${least:-0}" -- \
  busybox echo here 2>&1)" == here
check "a machine too large: 125 and the most" refuses 125 "at most" run --memory 8G -- true
check "more than one CPU: 125" refuses 125 "CPU" run --cpus 2 -- true
check "a missing program: 127" refuses 127 "no-such-program" run -- no-such-program
check "a missing path: 127" refuses 127 "/no/such" run -- /no/such
check "a folder: 126" refuses 126 "folder" run -- /etc
check "a file without permission: 126" refuses 126 "chmod" run -- /etc/passwd
check "a missing file to add: 64" refuses 64 "/no/such" run --file /no/such -- true

printf 'hello\n' >"$work/text"
printf '#!/no/such/interpreter\n' >"$work/script"
program=$(readlink -f "$(command -v qemu-system-x86_64)")
head -c 5000 "$program" >"$work/cut"
head -c 40 "$program" >"$work/cut-header"
head -c 65536 "$program" >"$work/i386"
printf '\001' | dd of="$work/i386" bs=1 seek=4 conv=notrunc status=none
printf '\003' | dd of="$work/i386" bs=1 seek=18 conv=notrunc status=none
cp "$work/cut" "$work/broken"
printf '\377\377\377\377' | dd of="$work/broken" bs=1 seek=54 conv=notrunc status=none
chmod +x "$work"/*
check "a text without #!: 126" refuses 126 "#!" run -- "$work/text"
check "a missing interpreter: 127" refuses 127 "/no/such/interpreter" run -- "$work/script"
check "an ELF file that is cut off: 126" refuses 126 "corrupt" run -- "$work/cut"
check "an ELF header that is cut off: 126" refuses 126 "corrupt" run -- "$work/cut-header"
check "a corrupt ELF file: 126" refuses 126 "corrupt" run -- "$work/broken"
check "a program for i386: 126, named" refuses 126 "i386" run -- "$work/i386"
check "options that QEMU refuses: 125" refuses 125 "-nonsense" run --qemu-opts -nonsense -- /bin/true

"$quire" run --dry-run -- /bin/true >"$work/dry" 2>"$work/err"
check "dry-run prints the command" grep -q '^qemu-system-x86_64 .*-kernel ' "$work/dry"

ln -s "$quire" "$work/linked"
check "a link to the launcher works" bash -c "'$work/linked' version >/dev/null 2>&1"
mkdir "$work/bin"
ln -s "$work/linked" "$work/bin/quire"
check "a link to a link on PATH works" bash -c "cd / && PATH='$work/bin:$PATH' quire version >/dev/null 2>&1"
check "it works from any folder" bash -c "cd / && '$quire' version >/dev/null 2>&1"

# A machine that never starts: QEMU waits for a debugger's word.
"$quire" run --timeout 300ms --qemu-opts -S -- /bin/true >"$work/out" 2>"$work/err"
check "the time limit: 124" test $? == 124

start_stopped() {
  "$quire" run --quiet --qemu-opts -S -- /bin/true >"$work/out" 2>"$work/err" </dev/null &
  tool=$!
  emulator=
  for _ in $(seq 100); do
    emulator=$(emulator_of "$tool") && break
    sleep 0.05
  done
}

start_stopped
kill -TERM "$tool"
wait "$tool"
check "SIGTERM: 143" test $? == 143
check "SIGTERM leaves no emulator" bash -c "! kill -0 ${emulator:-1} 2>/dev/null"

find "$XDG_CACHE_HOME/quire" "$TMPDIR" -maxdepth 2 -name '*quire*' 2>/dev/null | sort >"$work/a"
start_stopped
check "an emulator runs" test -n "$emulator"
kill -KILL "$tool"
wait "$tool" 2>/dev/null
sleep 0.3
check "SIGKILL leaves no emulator" bash -c "$(declare -f lives); ! lives ${emulator:-1}"
find "$XDG_CACHE_HOME/quire" "$TMPDIR" -maxdepth 2 -name '*quire*' 2>/dev/null | sort >"$work/b"
check "SIGKILL leaves no file" cmp -s "$work/a" "$work/b"
check "nothing is left in the making" \
  bash -c "[[ -z \$(ls -A '$XDG_CACHE_HOME/quire/making' 2>/dev/null) ]]"

# --- what is kept of a run

cd "$work" || exit 1
mkdir kept
"$quire" run --quiet --boot audit --timeout 60s --save /tmp/tree --save /tmp/one:kept/single \
  --save /tmp/one:kept -- busybox sh -c 'mkdir -p /tmp/tree/a/b; echo x >/tmp/tree/x
    seq 1 100000 >/tmp/tree/a/b/seq; ln -s x /tmp/tree/l; echo one >/tmp/one; chmod 640 /tmp/one' \
  >out 2>err
check "what is saved succeeds" test $? == 0
check "a file deep in a folder is saved whole" bash -c "seq 1 100000 | cmp - tree/a/b/seq"
check "a link is saved as it is" test "$(readlink tree/l)" == x
check "a file is saved under another name" test "$(cat kept/single) $(stat -c %a kept/single)" == "one 640"
check "a file is saved into a folder" test "$(cat kept/one)" == one
check "a file that is not there to save: 125" refuses 125 "/tmp/no-such" \
  run --save /tmp/no-such -- busybox true
check "a folder that is not there to save to: 64" refuses 64 "mkdir" \
  run --save /tmp/x:/no/such/y -- busybox true
"$quire" run --quiet --save /tmp/no-such -- busybox sh -c 'exit 7' >out 2>err
check "a program's own failure comes before a file that is missing" \
  test "$?$(grep -c '^quire: --save /tmp/no-such: ' err)" == 71

seq 1 5 | "$quire" run --record kept/record --timeout 60s -- \
  busybox sh -c 'cat; echo bad >&2; exit 5' >out 2>err
check "a run that is recorded ends as it would" test $? == 5
check "the record has what came out" bash -c "cmp out kept/record/output && grep -qx bad kept/record/error"
check "the record has the log" test "$(sha256sum <kept/record/events.log | cut -c1-64)" == \
  "$(sed -n 's/^digest //p' kept/record/machine)"
check "a folder that has something in it is no new record: 64" refuses 64 "not empty" \
  run --record kept/record -- busybox true
"$quire" replay kept/record >again 2>err </dev/null
check "replay ends with the same status" test $? == 5
check "replay prints the same" cmp -s kept/record/output again
check "replay has the same digest" grep -q '^quire: replay  the same digest' err
printf x >>kept/record/root.img
check "a record that was changed: 125" refuses 125 "recorded" replay kept/record
check "no record: 64" refuses 64 "no record" replay /tmp

# A kernel whose entry for system calls is an instruction that there is not.
"$quire" run --dry-run -- busybox true >dry 2>err
kernel=$(grep -oE '[-]kernel [^ ]+' dry | cut -d' ' -f2)
python3 - "$kernel" broken.elf <<'END'
import struct, subprocess, sys
image = bytearray(open(sys.argv[1], 'rb').read())
names = subprocess.run(['nm', sys.argv[1]], capture_output=True, text=True).stdout.split('\n')
address = next(int(line.split()[0], 16) for line in names if line.endswith(' image_system_call'))
table, = struct.unpack_from('<Q', image, 32)
size, count = struct.unpack_from('<HH', image, 54)
for index in range(count):
    _, _, offset, start, _, length = struct.unpack_from('<IIQQQQ', image, table + index * size)
    if start <= address < start + length:
        image[address - start + offset:address - start + offset + 2] = b'\x0f\x0b'
open(sys.argv[2], 'wb').write(image)
END
export QUIRE_KERNEL=$work/broken.elf
check "a kernel that stops: 125, and a bundle" refuses 125 "./quire replay /" run -- busybox true
unset QUIRE_KERNEL
bundle=$(grep -oE '/[^ ]*/failures/[^ ]*' err)
"$quire" replay "${bundle:-/no/such}" >out 2>err </dev/null
check "which replay runs to the same end" \
  bash -c "[[ $? == 125 ]] && grep -q 'kernel fault' err && grep -q 'the same digest' err"
rm -rf "${bundle:-/no/such}"

# --- the shell

printf 'echo "hi from $1"\nls / | head -n 1\nexit 4\n' >script
"$quire" shell --quiet --timeout 120s -- -s there >out 2>err <script
check "a script on the shell's standard input" test "$? $(head -n 1 out)" == "4 hi from there"
check "completions for bash" bash -c "'$quire' completions bash | bash -n"
check "the other boot time" test \
  "$("$quire" run --quiet --boot clock=host -- busybox date +%Y-%m 2>&1)" == "$(date +%Y-%m)"
"$quire" run -- busybox sh -c 'sleep 100 & exit 0' >out 2>err
before=$(awk '{ print $16 + $17 }' /proc/$$/stat)
{ sleep 2; echo late; } | "$quire" run --quiet -- busybox cat >late
after=$(awk '{ print $16 + $17 }' /proc/$$/stat)
check "who waits for input takes no processor" test "$(cat late)" == late -a $((after - before)) -lt 150
check "processes that are left are counted" grep -q '1 process that it left was killed' err
check "a summary is at most 12 lines and ends with a command" \
  bash -c "[[ \$(wc -l <err) -le 12 ]] && tail -n 1 err | grep -q '^quire: next    ./quire run '"
"$quire" run --timeout 1s --json limit.json -- busybox sh -c 'while :; do :; done' >out 2>err
check "the time limit of a program: 124" test $? == 124
check "it says that this is not repeatable" grep -q 'not repeatable' err
check "and so does the report" grep -q '"cause": "timeout"' limit.json

# --- terminals, users, places

python3 "$root/Tests/acceptance/terminal.py" "$quire" >terminal 2>&1 || failures=$((failures + 1))
cat terminal

if ((EUID == 0)); then
  mkdir -p user
  chmod 755 "$work"
  chmod 777 user
  # The user's own folders are empty: the cache is cold, and the checkout is not theirs.
  as_user() {
    su -s /bin/sh nobody -c "cd '$work/user' && HOME='$work/user' XDG_CACHE_HOME='$work/user' \
      TMPDIR='$work/user' PATH='$PATH' '$quire' $1"
  }
  # A checkout in a folder that is its owner's alone is nobody else's to run.
  if su -s /bin/sh nobody -c "test -x '$quire' && test -r '$work'"; then
    as_user "run --quiet --timeout 60s --save /tmp/mine -- \
      busybox sh -c 'echo mine >/tmp/mine; echo here'" >out 2>err
    check "a user without rights" test "$? $(cat out) $(cat user/mine 2>/dev/null)" == "0 here mine"
  fi
fi

check "the scratch disk is the user's own" test "$("$quire" run --quiet --user 1000 -- busybox sh -c \
  'cd /var/scratch && mkdir a && echo here >a/file && cat a/file && stat -c %u a' 2>&1)" == "here
1000"
mkdir -m 700 private
cp "$(readlink -f "$(command -v busybox)")" private/busybox
chmod 700 private/busybox
chmod 700 "$work"
check "a program that only its owner may run, as another user" test \
  "$("$quire" run --quiet --user 1000 -- private/busybox id -u 2>&1)" == 1000
check "and what was not named stays private" test \
  "$("$quire" run --quiet --user 1000 -- busybox ls /root >/dev/null 2>&1; echo $?)" == 1
chmod 755 "$work"

# Two at once where nothing is packed yet, with the same disk to make.
for name in one two; do
  XDG_CACHE_HOME=$work/cold "$quire" run --quiet --json "$name.json" -- busybox echo "$name" \
    >"$name" 2>err &
done
wait
check "two at once from an empty cache" test "$(cat one two) $(grep -h root_sha one.json two.json |
  uniq | wc -l) $(ls -A "$work/cold/quire/making" 2>/dev/null)" == "one
two 1 "

if [[ ${QUIRE_LONG:-no} == yes ]] && ((EUID == 0)); then
  # A checkout that its user cannot write, nothing of it built, and two who begin at once.
  mkdir checkout
  (cd "$root" && cp -a .ci Package.swift Sources Kernel Tests quire "$work/checkout/")
  rm -rf checkout/Kernel/.build*
  chmod -R a+rX,go-w checkout
  # A mirror of packages on this machine may belong to another user than the one who builds.
  mkdir -p user/own
  chmod 777 user/own
  (cd user/own && printf '[safe]\n\tdirectory = *\n' >.gitconfig)
  sum=$(cd checkout && find . -type f | sort | xargs -d '\n' sha256sum | sha256sum)
  for name in one two; do
    su -s /bin/sh nobody -c "cd '$work/user' && HOME='$work/user/own' \
      XDG_CACHE_HOME='$work/user/own/.cache' TMPDIR='$work/user' \
      PATH='$PATH' '$work/checkout/quire' run --quiet -- busybox echo $name" >"$name" 2>"$name.err" \
      </dev/null &
  done
  wait
  check "two at once in a checkout that is only read, from nothing" test "$(cat one two)" == "one
two"
  cat one.err two.err
  check "which is as it was" test "$sum" == \
    "$(cd checkout && find . -type f | sort | xargs -d '\n' sha256sum | sha256sum)"
fi

"$quire" run --dry-run -- /bin/true >"$work/one" 2>/dev/null &
first=$!
"$quire" run --dry-run -- /bin/true >"$work/two" 2>/dev/null &
wait "$first" "$!"
check "two at once agree" cmp -s "$work/one" "$work/two"

exit $((failures > 0))
