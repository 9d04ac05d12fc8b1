#!/bin/sh
# Before the files go. deb: "remove" or "upgrade"; rpm: how many versions are left, 0 at the end.
set -e
[ -d /run/systemd/system ] || exit 0
if [ "$1" = remove ] || [ "$1" = 0 ]; then
	systemctl disable --now cdcbridge.service
fi
