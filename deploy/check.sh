#!/usr/bin/env bash
# Has the tools of Prometheus, systemd and Docker check what is in this folder, and fails at anything that they say. A promtool that the
# machine lacks is taken from Debian's packages, unpacked into a cache and installed nowhere; systemd-analyze must be there,
# and so must docker compose for its check, which needs no running Docker.
#
#   deploy/check.sh [prometheus] [systemd] [compose]     the first two without a name
#
#   DOCKER_COMPOSE    the command. Default: docker compose.
#   CDCBRIDGE_CACHE   where to unpack. Default: ${XDG_CACHE_HOME:-~/.cache}/cdcbridge.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")"
CACHE=${CDCBRIDGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cdcbridge}/check

say() { printf 'check: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# unpacked PACKAGE PATH prints where PATH of a package of this machine's Debian is.
unpacked() {
  local dir=$CACHE/$1
  if [[ ! -e $dir/$2 ]]; then
    command -v apt-get >/dev/null || die "$1 is missing, and there is no apt-get to fetch it"
    say "fetching $1"
    mkdir -p "$dir.deb" "$dir"
    (cd "$dir.deb" && apt-get -qq -o APT::Sandbox::User= download "$1") >&2 || die "apt-get download $1 fails: run apt-get update first"
    dpkg-deb -x "$dir.deb"/*.deb "$dir"
    rm -r "$dir.deb"
  fi
  printf '%s\n' "$dir/$2"
}

# expressions prints the queries of the dashboard as recording rules, Grafana's variables replaced by values.
expressions() {
  local n=0 expr
  printf 'groups:\n  - name: dashboard\n    rules:\n'
  sed -n 's/^ *"expr": "\(.*\)",$/\1/p' grafana/cdcbridge.json |
    sed 's/\\"/"/g; s/\$__rate_interval/5m/g; s/\$__range/1h/g; s/\$[a-z]*/x/g' |
    while IFS= read -r expr; do
      n=$((n + 1))
      printf "      - {record: dashboard:%d, expr: '%s'}\n" "$n" "$expr"
    done
}

check_prometheus() {
  local promtool rules
  promtool=$(command -v promtool || unpacked prometheus usr/bin/promtool)
  "$promtool" check rules prometheus/alerts.yml
  "$promtool" check config prometheus/scrape.yml
  "$promtool" test rules prometheus/alerts_test.yml
  rules=$(mktemp --suffix=.yml)
  expressions >"$rules"
  [[ $(grep -c record: "$rules") = $(grep -c '"expr":' grafana/cdcbridge.json) ]] || die "not every query of the dashboard has been found"
  "$promtool" check rules "$rules"
  rm "$rules"
}

# check_systemd: verify says nothing, not even a warning, and the exposure is at most 2.0 of 10. The program need not be installed.
check_systemd() {
  local dir said
  command -v systemd-analyze >/dev/null || die "systemd-analyze is missing; on Debian: apt-get install systemd"
  dir=$(mktemp -d)
  sed 's#^ExecStart=/usr/bin/cdcbridge#ExecStart=/bin/true#; s/^#LoadCredential/LoadCredential/' cdcbridge.service >"$dir/cdcbridge.service"
  said=$(systemd-analyze verify "$dir/cdcbridge.service" 2>&1) && [[ -z $said ]] || die "systemd-analyze verify: $said"
  said=$(systemd-analyze security --offline=true --threshold=20 "$dir/cdcbridge.service" 2>&1) || die "the unit is exposed by more than 2.0: $said"
  tail -n 1 <<<"$said"
  rm -r "$dir"
}

check_compose() {
  local compose profile said
  read -ra compose <<<"${DOCKER_COMPOSE:-docker compose}"
  for profile in mysql postgres flink; do
    said=$("${compose[@]}" -f ../docker-compose.yml --profile "$profile" config -q 2>&1) && [[ -z $said ]] || die "docker compose, profile $profile: $said"
  done
}

[[ $# -gt 0 ]] || set -- prometheus systemd
for one; do
  declare -F "check_$one" >/dev/null || die "there is nothing that is called $one"
  "check_$one"
done
say "all is well: $*"
