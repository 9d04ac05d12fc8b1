#!/usr/bin/env bash
# Runs every fuzz target of the main module for FUZZTIME each, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rlE '^func Fuzz' --include='*_test.go' . --exclude-dir=integration | while read -r file; do
  for target in $(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$file"); do
    echo "fuzz $(dirname "$file") $target"
    ${GO:-go} test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-5s}" -parallel 2 </dev/null
  done
done
