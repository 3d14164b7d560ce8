#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the tool promises whatever the kernel does: exit statuses, one-line errors, nothing left
# behind. Prints `ok …` or `not ok …` for each promise.
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
check "contiguous areas are not there yet: 125" refuses 125 "contiguous" run --cma 16M -- true
check "an area beyond memory: 64" refuses 64 "reaches" run --cma 512M -- true
check "an area where none can begin: 64" refuses 64 "4M" run --cma 4M@5M -- true
check "an area that is none: 64" refuses 64 "16M@x" run --cma 16M@x -- true
check "i686 is not there yet: 125" refuses 125 "i686" run --arch i686 -- true
check "another architecture: 64" refuses 64 "mips" run --arch mips -- true
check "KVM is not there yet: 125" refuses 125 "KVM" run --accel kvm -- true
check "an unknown boot word: 64" refuses 64 "bogus" run --boot 'audit bogus' -- busybox true
check "an unknown setting: 64" refuses 64 "vm.bogus" run --set vm.bogus=1 -- busybox true
check "a setting without a value: 64" refuses 64 "vm.x" run --set vm.x -- busybox true
check "a disk too small: 125 and the least" refuses 125 "--disk 1M" run --disk 64K -- true
check "a disk too large: 125 and the most" refuses 125 "--disk 1T" run --disk 2T -- true
check "a size that is none: 64" refuses 64 "banana" run --memory banana -- true
check "a missing value: 64" refuses 64 "--memory" run --memory
check "a variable without a name: 64" refuses 64 "FOO" run --env FOO -- true
check "a machine too small: 125 and the least" refuses 125 "--memory 1" run --memory 1M -- true
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

"$quire" run --dry-run -- /bin/true >"$work/one" 2>/dev/null &
first=$!
"$quire" run --dry-run -- /bin/true >"$work/two" 2>/dev/null &
wait "$first" "$!"
check "two at once agree" cmp -s "$work/one" "$work/two"

exit $((failures > 0))
