#!/usr/bin/env bash
# Builds deploy/Dockerfile as root with buildah, which needs no engine, and looks at what comes out: its size, its user, its files, and
# that the program in it runs. Where the registries of the base images cannot be reached, stand-ins are made of this machine's Go and
# certificates; they have what the Dockerfile relies on, and the check says so.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
[[ $(id -u) = 0 ]] || die "this needs root, for mounts"
command -v buildah >/dev/null || die "buildah is missing; on Debian: apt-get install --no-install-recommends buildah"

LIMIT=$((50 * 1000 * 1000)) # bytes of the whole image
IMAGE=localhost/cdcbridge-check
OUT=$(mktemp -d)
CONTAINERS=()
finish() {
  (( ${#CONTAINERS[@]} == 0 )) || buildah rm "${CONTAINERS[@]}" >/dev/null
  rm -rf "$OUT"
}
trap finish EXIT

# empty makes a container of nothing and mounts it: $container, $root.
empty() {
  container=$(buildah from scratch)
  CONTAINERS+=("$container")
  root=$(buildah mount "$container")
}

# place FILE... copies files of this machine to where they are.
place() {
  local file
  for file; do
    mkdir -p "$root${file%/*}"
    cp -L "$file" "$root$file"
  done
}

# have BASE MAKER pulls a base image, or makes a stand-in with a function.
have() {
  if ! timeout 60 buildah pull --quiet "$1" >/dev/null 2>&1; then
    say "$1 cannot be pulled: a stand-in takes its place"
    "$2" "$1"
  fi
}

# go_image is a shell and Go, with the machine's settings of Go, so that modules come from where they come from here.
go_image() {
  local name
  empty
  # shellcheck disable=SC2046 # one file a word
  place /bin/sh $(ldd /bin/sh | grep -o '/[^ ]*') /etc/ssl/certs/ca-certificates.crt
  mkdir -p "$root"/{tmp,root,src,usr/local}
  cp -a "$(go env GOROOT)" "$root/usr/local/go"
  for name in GOPROXY GONOSUMDB GOSUMDB GOFLAGS; do
    buildah config --env "$name=$(go env "$name")" "$container"
  done
  buildah config --env PATH=/usr/local/go/bin:/bin --env GOTOOLCHAIN=local "$container"
  buildah commit --quiet "$container" "$1" >/dev/null
}

# static_image is an unprivileged user and certificate authorities.
static_image() {
  empty
  place /etc/ssl/certs/ca-certificates.crt
  mkdir -p "$root/tmp"
  chmod 1777 "$root/tmp"
  echo nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin >"$root/etc/passwd"
  echo nonroot:x:65532: >"$root/etc/group"
  buildah commit --quiet "$container" "$1" >/dev/null
}

mapfile -t bases < <(sed -n 's/^FROM \([^ ]*\).*/\1/p' deploy/Dockerfile)
[[ ${#bases[@]} = 2 ]] || die "the Dockerfile has ${#bases[@]} stages, not two"
have "${bases[0]}" go_image
have "${bases[1]}" static_image
version=$(git describe --tags --always)
buildah build --quiet --pull-never --isolation chroot --network host --file deploy/Dockerfile --build-arg "VERSION=$version" --tag "$IMAGE" . >/dev/null

user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' "$IMAGE")
[[ $user = nonroot ]] || die "the image runs as ${user:-root}"
buildah push --quiet "$IMAGE" "docker-archive:$OUT/image.tar"
size=$(stat -c %s "$OUT/image.tar")
(( size < LIMIT )) || die "the image has $size bytes; the limit is $LIMIT"

container=$(buildah from --pull-never "$IMAGE")
CONTAINERS+=("$container")
root=$(buildah mount "$container")
[[ -s $root/usr/share/doc/cdcbridge/LICENSE && -s $root/usr/share/doc/cdcbridge/THIRD_PARTY.md ]] || die "the licences are missing"
[[ -z $(find "$root" -name '*.jar' -print) ]] || die "there are jars"
file "$root/usr/local/bin/cdcbridge" | grep -q 'statically linked' || die "the program is not static"
said=$(buildah run --isolation chroot "$container" -- /usr/local/bin/cdcbridge version)
[[ $said = *"$version"* ]] || die "the program says: $said"
# The file that CMD names is not there: a clear error and its status, as the unprivileged user.
status=0
said=$(buildah run --isolation chroot "$container" -- /usr/local/bin/cdcbridge run --config /etc/cdcbridge/cdcbridge.yaml 2>&1) || status=$?
[[ $status = 3 && $said = *cdcbridge.yaml* ]] || die "without a configuration it ends with $status: $said"
say "$IMAGE: $size bytes, user $user, $version"
