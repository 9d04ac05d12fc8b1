// Package daemon keeps pipelines running inside one process and tells the outside how they are.
//
//	Daemon ── supervisor (supervisor.go) ── runner per pipeline (runner.go) ── attempt after attempt, with back-off (retry.go)
//	   ├── SIGHUP: the configuration of the moment in place of the one before (reload.go)
//	   ├── HTTP: / (internal/web) /healthz /readyz /status /status/history /metrics (http.go, status.go, ready.go, history.go, metrics.go)
//	   └── systemd: READY, RELOADING, STOPPING, WATCHDOG (systemd.go)
//
// A pipeline that meets a final fault stays down inside the living process, with its code and hint, until somebody acts;
// the others go on. Packages below expose numbers; this one alone knows Prometheus.
package daemon
