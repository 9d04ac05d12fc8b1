#!/usr/bin/env bash
# Makes the files of capture/mysql that were asked from real servers: charsets/*.gz, collations.go and testdata/*. Needed only
# when a script in generate/ changes or another server version is to be covered; look at the difference before committing it.
#
#   integration/provision.sh mysql97 mysql80 && integration/mysqltypes/regenerate.sh
set -euo pipefail
cd "$(dirname "$0")"

if [[ -n ${CDCBRIDGE_CACHE:-} ]]; then cache=$CDCBRIDGE_CACHE
elif [[ $(id -u) = 0 ]]; then cache=/var/cache/cdcbridge
else cache=${XDG_CACHE_HOME:-$HOME/.cache}/cdcbridge; fi

work=$(mktemp -d /tmp/mysqltypes.XXXXXX)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null && wait "$p"; done; rm -rf "$work"' EXIT
chmod 755 "$work"

# start NAME PORT runs a server from a copy of its template.
start() {
  local data=$work/$1 as=()
  cp -a "$cache/$1/template" "$data"
  if [[ $(id -u) = 0 ]]; then chown -R nobody:nogroup "$data"; as=(setpriv --reuid=nobody --regid=nogroup --clear-groups); fi
  "${as[@]}" "$cache/$1/mysqld-run" --datadir="$data" --port="$2" --bind-address=127.0.0.1 --socket="$data/s" --pid-file="$data/pid" \
    --server-id="$2" --log-bin=binlog --gtid-mode=ON --enforce-gtid-consistency=ON --loose-mysqlx=OFF --binlog-row-metadata=FULL \
    --secure-file-priv= --innodb-buffer-pool-size=32M --performance-schema=OFF --max-allowed-packet=64M >"$work/$1.log" 2>&1 &
  pids+=($!)
  while kill -0 "${pids[-1]}"; do (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return; sleep 0.1; done
  cat "$work/$1.log" >&2
  return 1
}

start mysql97 33971
start mysql80 33801
go build -o "$work/generate" ./generate
out=(-out ../../capture/mysql)
mkdir -p ../../capture/mysql/testdata
"$work/generate" "${out[@]}" charsets 127.0.0.1:33971 127.0.0.1:33801
"$work/generate" "${out[@]}" doubles 127.0.0.1:33971
"$work/generate" "${out[@]}" binlogs "127.0.0.1:33971=$work/mysql97" "127.0.0.1:33801=$work/mysql80"
