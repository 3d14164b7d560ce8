#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Breaks the core, one line at a time, in a copy of the tree, and demands that the tests notice. An
# expression that changes another number of lines than one is refused before anything is built.
# Usage: run.sh [LIST]
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
list=${1:-$root/Tests/mutations/core.txt}
# The copy stays, so that the next run builds little.
copy=${QUIRE_MUTATIONS:-$root/.build/mutations}
log=$copy.log
# Every run of the tests has to notice them, not the long one alone.
export QUIRE_LONG=no
mkdir -p "$copy"

say() { printf '%s\n' "$*" >&2; }

copy_tree() {
  cd "$root"
  git ls-files -co --exclude-standard -z >"$copy.files"
  # What is gone from the tree goes from the copy.
  (cd "$copy" && find . -type f -not -path './.build/*' -print0 | sed -z 's|^\./||' | sort -z) |
    { sort -z "$copy.files" >"$copy.sorted"; comm -z -23 - "$copy.sorted"; } |
    (cd "$copy" && xargs -0 -r rm -f)
  xargs -0 -r cp -p --parents -t "$copy" <"$copy.files" 2>/dev/null || true
  cd "$copy"
}

# Prints the targets of tests that the list names, or whose suites it names.
suites() {
  grep -v '^#' "$list" | sed -n 's/.* ;; //p' | sort -u | while read -r filter; do
    if [ -d "Tests/$filter" ]; then
      echo "Tests/$filter/"
    else
      grep -rlE --include='*.swift' "^[^/]*(class|struct|enum) $filter\\b" Tests || true
    fi
  done | cut -d/ -f2 | sort -u
}

# A break costs a build of all that stands on it, so that the copy has only what the tests need.
keep_what_is_tested() {
  {
    echo 'var wanted: Set = ['
    suites | sed 's/.*/  "&",/'
    cat <<'SWIFT'
]
while case let more = package.targets.filter({ wanted.contains($0.name) }).flatMap({
  $0.dependencies.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } }
}), !wanted.isSuperset(of: more) {
  wanted.formUnion(more)
}
package.targets.removeAll { !wanted.contains($0.name) }
package.products = []
package.dependencies = []
SWIFT
  } >>Package.swift
}

build() { swift build --build-tests >"$log" 2>&1; }

# Fails too where a break makes the tests run for ever.
test_passes() { timeout 300 swift test --skip-build --filter "$1" >"$log" 2>&1; }

# A break is of one line: of more, who knows which one was noticed?
refused=0
while IFS= read -r line; do
  case $line in '#'* | '') continue ;; esac
  file=${line%% ;; *}
  rest=${line#* ;; }
  changed=$(sed "${rest% ;; *}" "$root/$file" | diff "$root/$file" - | grep -c '^<') || :
  [ "$changed" -eq 1 ] || { say "changes $changed lines: $line"; refused=1; }
done <"$list"
[ "$refused" -eq 0 ] || exit 125

copy_tree
keep_what_is_tested
build || { say "the unbroken tree does not build: see $log"; exit 125; }
grep -v '^#' "$list" | sed -n 's/.* ;; //p' | sort -u | while read -r filter; do
  test_passes "$filter" || { say "$filter fails without a break: see $log"; exit 125; }
  grep -q 'Test run with [1-9]' "$log" || { say "$filter names no test"; exit 125; }
done

missed=0
count=0
while IFS= read -r line; do
  case $line in '#'* | '') continue ;; esac
  file=${line%% ;; *}
  filter=${line##* ;; }
  rest=${line#* ;; }
  expression=${rest% ;; *}
  count=$((count + 1))
  sed -i "$expression" "$file"
  if ! build; then
    say "does not build: $line"
    missed=$((missed + 1))
  elif test_passes "$filter"; then
    say "not noticed: $line"
    missed=$((missed + 1))
  else
    say "noticed: $file: $expression"
  fi
  cp -p "$root/$file" "$file"
done <"$list"

say "$((count - missed)) of $count breaks were noticed"
[ "$missed" -eq 0 ]
