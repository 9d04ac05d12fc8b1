#!/usr/bin/env bash
# Runs every fuzz target of the main module for FUZZTIME each, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go} root=$PWD tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
grep -rlE '^func Fuzz' --include='*_test.go' . --exclude-dir=integration | xargs -n1 dirname | sort -u | while read -r package; do
  "$go" test -c -fuzz . -o "$tmp/fuzz.test" "$package"
  cd "$package"
  for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' ./*_test.go); do
    echo "fuzz $package $target"
    "$tmp/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "${FUZZTIME:-1s}" -test.parallel 2 \
      -test.fuzzcachedir "$("$go" env GOCACHE)/fuzz/cdcbridge/$package" </dev/null >"$tmp/log" 2>&1 && continue
    # The time may run out in the middle of an input (golang.org/issue/75804); what a target has found is written down.
    if ! grep -q 'context deadline exceeded' "$tmp/log" || grep -q 'Failing input written' "$tmp/log"; then
      cat "$tmp/log"
      exit 1
    fi
  done
  cd "$root"
done
