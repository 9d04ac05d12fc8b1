#!/usr/bin/env bash
# Installs and removes the packages of dist/ (make packages) in a scratch root, as root, with the real dpkg and rpm; the machine
# itself is left alone. systemctl is a recorder there, so that what the scripts of the packages do can be seen.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'packages: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
[[ $(id -u) = 0 ]] || die "this needs root, for chroot"
ROOT=$(mktemp -d)
trap 'rm -rf "$ROOT"' EXIT

# scratch makes a root with a shell, a systemctl that writes down what it is told, and nothing else.
scratch() {
  local file
  rm -rf "${ROOT:?}"/*
  mkdir -p "$ROOT"/{bin,dev,etc,run/systemd/system,tmp,usr/bin,var/lib/dpkg/{info,updates,triggers,parts},var/lib/rpm}
  mknod -m 666 "$ROOT/dev/null" c 1 3
  : >"$ROOT/var/lib/dpkg/status"
  for file in $(ldd /bin/sh | grep -o '/[^ ]*') /bin/sh; do
    mkdir -p "$ROOT${file%/*}"
    cp -L "$file" "$ROOT$file"
  done
  printf '#!/bin/sh\necho "$*" >>/systemctl.log\n' >"$ROOT/bin/systemctl"
  chmod +x "$ROOT/bin/systemctl"
  : >"$ROOT/systemctl.log"
}

# told TEXT fails unless systemctl was told exactly these lines since the last time.
told() {
  local got
  got=$(cat "$ROOT/systemctl.log")
  [[ $got = "$1" ]] || die "systemctl was told: ${got:-nothing}; expected: ${1:-nothing}"
  : >"$ROOT/systemctl.log"
}

is_installed() {
  local file
  [[ $(chroot "$ROOT" /usr/bin/cdcbridge version) == *cdcbridge* ]] || die "the program does not run"
  [[ $(stat -c %a "$ROOT/etc/cdcbridge/secrets") = 700 ]] || die "others may look at the secrets"
  for file in lib/systemd/system/cdcbridge.service share/doc/cdcbridge/docs/operations.md share/doc/cdcbridge/docs/errors.md share/doc/cdcbridge/config.example.yaml share/bash-completion/completions/cdcbridge; do
    [[ -s $ROOT/usr/$file ]] || die "/usr/$file is missing"
  done
  [[ -z $(find "$ROOT/usr/share" \( -name '*.jar' -o -perm /111 -type f \) -print) ]] || die "there are programs in /usr/share"
}

# is_removed: nothing is left but what the administrator has written.
is_removed() {
  [[ ! -e $ROOT/usr/bin/cdcbridge && ! -e $ROOT/usr/lib/systemd/system/cdcbridge.service && ! -e $ROOT/usr/share/doc/cdcbridge && ! -e $ROOT/usr/share/licenses/cdcbridge ]] || die "files are left"
  [[ $(cat "$ROOT/etc/cdcbridge/cdcbridge.yaml") = mine && $(cat "$ROOT/etc/cdcbridge/secrets/mysql") = secret ]] || die "the configuration is gone"
}

configure() {
  echo mine >"$ROOT/etc/cdcbridge/cdcbridge.yaml"
  echo secret >"$ROOT/etc/cdcbridge/secrets/mysql"
}

check_deb() {
  local deb=$1 dpkg
  dpkg=(dpkg --root="$ROOT" --force-unsafe-io)
  scratch
  "${dpkg[@]}" --install "$deb" >&2
  told daemon-reload
  is_installed
  configure
  "${dpkg[@]}" --install "$deb" >&2 # again: as an upgrade does
  told $'daemon-reload\ndaemon-reload\ntry-restart cdcbridge.service'
  "${dpkg[@]}" --remove cdcbridge >&2
  told $'disable --now cdcbridge.service\ndaemon-reload'
  is_removed
  say "$deb: installed, upgraded, removed"
}

check_rpm() {
  local package=$1 rpm=(${RPM:-rpm} --root "$ROOT" --dbpath /var/lib/rpm)
  scratch
  "${rpm[@]}" --nodeps --install "$package"
  told daemon-reload
  is_installed
  configure
  "${rpm[@]}" --nodeps --upgrade --replacepkgs "$package"
  told $'daemon-reload\ntry-restart cdcbridge.service\ndaemon-reload' # the last one is of the version before
  "${rpm[@]}" --erase cdcbridge
  told $'disable --now cdcbridge.service\ndaemon-reload'
  is_removed
  say "$package: installed, upgraded, removed"
}

arch=$(dpkg --print-architecture)
check_deb dist/*_"$arch".deb
if command -v "${RPM:-rpm}" >/dev/null; then
  check_rpm dist/*."$(uname -m)".rpm
else
  die "there is no rpm here; on Debian: apt-get install rpm"
fi
