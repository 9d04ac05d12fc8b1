#!/bin/sh
# After the files are there. deb: "configure" and the version before, if any; rpm: how many versions are installed now.
# A first install starts nothing: there is no configuration yet. An upgrade restarts a daemon that runs; it drains first.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case "$1${2:+ upgraded}" in
"configure upgraded" | [2-9]) systemctl try-restart cdcbridge.service ;;
esac
