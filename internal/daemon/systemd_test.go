package daemon

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"

	"cdcbridge/internal/fault"
)

// TestSystemd plays the service manager: it gets READY after HTTP is bound, WATCHDOG again and again, RELOADING and READY around a reload,
// then STOPPING.
func TestSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "40000")
	t.Setenv("WATCHDOG_PID", "")
	if err := os.Unsetenv("WATCHDOG_PID"); err != nil {
		t.Fatal(err)
	}
	hear := func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1000)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	next := func() string { // but for WATCHDOG
		t.Helper()
		got := hear()
		for got == "WATCHDOG=1" {
			got = hear()
		}
		return got
	}
	hangups := make(chan os.Signal, 1)
	file := &configuration{err: fault.NewFinal(fault.Config, "reading c.yaml", errors.New("2 problems:\n  a: one\n  b: two"), "Correct it.")}
	s := serve(t, Options{Pipelines: twoPipelines(), Reload: Reload{Asked: hangups, Load: file.load}})
	if got := hear(); got != "READY=1" {
		t.Errorf("got %q", got)
	}
	for range 3 {
		if got := hear(); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	reloads := func(status string) {
		t.Helper()
		hangups <- syscall.SIGHUP
		if got := next(); runtime.GOOS == "linux" && !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\n$`).MatchString(got) {
			t.Errorf("got %q", got)
		}
		if got := next(); !regexp.MustCompile(`^READY=1\nSTATUS=` + status + `$`).MatchString(got) {
			t.Errorf("got %q", got)
		}
	}
	reloads(`reload refused at [0-9:]{8}, everything goes on as it was: config: reading c\.yaml: 2 problems: a: one b: two`)
	file.set(nil, Next{Pipelines: twoPipelines(), NeedsRestart: []string{"http.listen", "http.pprof"}})
	reloads(`reloaded at [0-9:]{8}; these settings need a restart: http\.listen, http\.pprof`)
	s.stop(t)
	if got := next(); got != "STOPPING=1" {
		t.Errorf("got %q", got)
	}
}
