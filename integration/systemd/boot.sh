#!/usr/bin/env bash
# Runs systemd as the first process of a machine in namespaces of its own, which has this machine's network and nothing else of
# it. Needs root, and a kernel that has overlayfs and the second version of control groups.
#
#   boot.sh ROOT DIR [probe]
#
# ROOT is a root directory with systemd that is not written to, DIR an empty folder for what the machine writes. With probe it
# ends instead of starting systemd: with 0 when that would work. Whoever kills it kills the machine.
set -euo pipefail
ROOT=$1 DIR=$2 PROBE=${3:-}
export ROOT DIR PROBE

# A control group for the machine, so that its systemd sees and touches none of the others.
GROUPS_AT=$(sed -n 's/^[^ ]* \([^ ]*\) cgroup2 .*/\1/p' /proc/self/mounts | head -n 1)
[[ -n $GROUPS_AT ]] || { echo "no control groups of the second version are mounted" >&2; exit 1; }
mkdir "$GROUPS_AT/cdcbridge-${DIR//\//-}"
echo $$ >"$GROUPS_AT/cdcbridge-${DIR//\//-}/cgroup.procs"

# shellcheck disable=SC2016 # it is the inner shell that reads them
exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child --propagation private bash -euc '
  mount -t tmpfs -o mode=755 tmpfs "$DIR"
  mkdir "$DIR/upper" "$DIR/work" "$DIR/root"
  mount -t overlay -o "lowerdir=$ROOT,upperdir=$DIR/upper,workdir=$DIR/work" overlay "$DIR/root"
  cd "$DIR/root"
  mount -t proc -o nosuid,nodev,noexec proc proc
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys # the settings of the kernel are not ours
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs dev
  for name in null zero full random urandom tty; do : >"dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
  mkdir dev/pts dev/shm
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs tmpfs tmp
  hostname machine
  pivot_root . mnt
  umount -l /mnt
  mount --make-rshared / # as systemd wants it; it leaves that to whoever starts a container
  [[ -z $PROBE ]] || exit 0
  exec env -i container=namespaces PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --log-target=journal systemd.unit=basic.target
'
