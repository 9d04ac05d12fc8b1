package daemon

import (
	"log/slog"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// systemd tells the service manager how things are. Without NOTIFY_SOCKET it does nothing.
type systemd struct{ log *slog.Logger }

func (s systemd) ready()    { s.send(sd.SdNotifyReady) }
func (s systemd) stopping() { s.send(sd.SdNotifyStopping) }
func (s systemd) alive()    { s.send(sd.SdNotifyWatchdog) }

// reloading and reloaded enclose a reload. What reloaded says is shown by systemctl status.
func (s systemd) reloading() { s.send(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec()) }

func (s systemd) reloaded(status string) {
	s.send(sd.SdNotifyReady + "\nSTATUS=" + strings.Join(strings.Fields(status), " "))
}

func (s systemd) send(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		s.log.Warn("systemd cannot be told", "state", state, "error", err)
	}
}

// watchdogEvery is how often the service manager wants to hear from us, half of its limit; 0: not at all.
func (s systemd) watchdogEvery() time.Duration {
	limit, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("systemd's watchdog settings cannot be read; its watchdog will not be served", "error", err)
		return 0
	}
	return limit / 2
}
