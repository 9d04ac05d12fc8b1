// Package systemd runs the daemon as a service: under a real systemd, which is the first process of a machine in namespaces of its own
// (boot.sh, machine_test.go), with the package installed by the real dpkg; and under a supervisor that does what the unit file says as
// systemd does it (supervisor_test.go), for machines that do not let systemd run.
package systemd
