#!/usr/bin/env bash
# Builds what is given away, into dist/:
#
#   deploy/release.sh packages     deb and rpm for amd64 and arm64
#   deploy/release.sh package deb  one of them, deb or rpm, for the architecture that this runs on; prints where it is
#   deploy/release.sh archives     tar.gz for Linux and macOS, amd64 and arm64, and SHA256SUMS of all that is in dist/
#
#   VERSION   the release. Default: git describe.
#   GO        the go command. Default: go.
#
# The same commit gives the same bytes with the same Go: paths are trimmed, and times are those of the commit. GNU tar is needed.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GO=${GO:-go}
VERSION=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
NFPM=v2.43.0 # the newest whose dependencies are all served

# program OS ARCH builds the program and prints where it is.
program() {
  local dir=dist/build/$1-$2
  mkdir -p "$dir"
  CGO_ENABLED=0 GOOS=$1 GOARCH=$2 $GO build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o "$dir/cdcbridge" .
  printf '%s\n' "$dir/cdcbridge"
}

# package_version makes a version that deb and rpm can compare: v1.2.3-4-gabc is 1.2.3+4.gabc, a commit alone is 0.0.0+commit.
package_version() {
  local v=${1#v}
  [[ $v =~ ^[0-9]+\.[0-9]+\.[0-9]+ ]] || v=0.0.0-$v
  local base=${v%%-*} rest= sign=+
  [[ $v != *-* ]] || rest=${v#*-}
  [[ ! $rest =~ ^(alpha|beta|pre|rc) ]] || sign='~' # comes before the release
  printf '%s\n' "$base${rest:+$sign${rest//-/.}}"
}

completions() {
  local host
  host=$(program "$($GO env GOHOSTOS)" "$($GO env GOHOSTARCH)")
  mkdir -p dist/completions
  for shell in bash zsh fish; do "$host" completion "$shell" >"dist/completions/cdcbridge.$shell"; done
}

# one KIND ARCH makes a package; the completions are there.
one() {
  PACKAGE_VERSION=$(package_version "$VERSION")
  PACKAGE_ARCH=$2
  export PACKAGE_VERSION PACKAGE_ARCH
  program linux "$2" >&2
  $GO run "github.com/goreleaser/nfpm/v2/cmd/nfpm@$NFPM" package -f nfpm.yaml -p "$1" -t dist/
}

packages() {
  local arch kind
  completions
  rm -f dist/*.deb dist/*.rpm
  for arch in amd64 arm64; do
    for kind in deb rpm; do one "$kind" "$arch"; done
  done
}

package() {
  completions
  one "$1" "$($GO env GOHOSTARCH)" | sed -n 's/^created package: //p'
}

archives() {
  local os arch name stage
  rm -f dist/*.tar.gz
  for os in linux darwin; do
    for arch in amd64 arm64; do
      name=cdcbridge-$VERSION-$os-$arch
      stage=$(mktemp -d)
      mkdir -p "$stage/$name/deploy"
      cp "$(program $os $arch)" LICENSE THIRD_PARTY.md README.md CHANGELOG.md config.example.yaml "$stage/$name/"
      mkdir "$stage/$name/docs"
      cp docs/*.md "$stage/$name/docs/"
      cp -r deploy/cdcbridge.service deploy/prometheus deploy/grafana "$stage/$name/deploy/"
      tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -C "$stage" -c "$name" | gzip -n9 >"dist/$name.tar.gz"
      rm -r "$stage"
    done
  done
  (cd dist && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
}

case ${1:-} in
packages | archives) "$1" ;;
package) package "$2" ;;
version) package_version "${2:-$VERSION}" ;; # for tests
*)
  echo "usage: deploy/release.sh packages|package KIND|archives" >&2
  exit 2
  ;;
esac
