package mishaps

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"cdcbridge/integration/harness"
)

// reloads has a daemon read a file that is broken where a secret is, and then one with other secrets.
func (v *vault) reloads(d *harness.Daemon, page func(string) string) {
	v.Helper()
	config, err := os.ReadFile(d.Config())
	if err != nil {
		v.Fatal(err)
	}
	broken := strings.Replace(string(config), "user: alice, password:", "user: alice, password: *"+core(planted["Kafka"])+" #", 1)
	v.reload(d, broken, "refused", "config")
	v.page(d, page)
	others := strings.NewReplacer("${VAULT_POSTGRES}", "${VAULT_WRONG}", core(planted["salt of a mask"]), core(planted["salt from a file"])).Replace(string(config))
	v.reload(d, others, "applied", "")
	v.page(d, page)
}

// page looks at what people see, and at what programs read.
func (v *vault) page(d *harness.Daemon, page func(string) string) {
	v.Helper()
	for _, path := range []string{"/status", "/metrics"} {
		_, body, err := d.Get(v.Context(), path)
		if err != nil {
			v.Fatal(err)
		}
		discreet(v.T, path, string(body))
	}
	discreet(v.T, "the page", page("http://"+d.HTTP()+"/"))
}

// reload gives the daemon another file and waits until it has been read.
func (v *vault) reload(d *harness.Daemon, config, result, code string) {
	v.Helper()
	began := time.Now()
	if err := os.WriteFile(d.Config(), []byte(config), 0o600); err != nil {
		v.Fatal(err)
	}
	if err := d.Signal(syscall.SIGHUP); err != nil {
		v.Fatal(err)
	}
	for {
		_, body, err := d.Get(v.Context(), "/status")
		if err != nil {
			v.Fatal(err)
		}
		var s struct {
			Reload struct {
				At           time.Time
				Result, Code string
			}
		}
		if err := json.Unmarshal(body, &s); err != nil {
			v.Fatal(err)
		}
		if s.Reload.Result == result && s.Reload.Code == code && s.Reload.At.After(began.Add(-time.Millisecond)) {
			return
		}
		if time.Since(began) > patience {
			v.Fatalf("the reload is not %s: %+v", result, s)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// manager listens where systemd would. What it gives is all that it was told, when the daemon is gone.
func (v *vault) manager() func() string {
	v.Helper()
	dir, err := os.MkdirTemp("", "notify") // the path of a socket has 107 bytes at most
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		v.Fatal(err)
	}
	v.Setenv("NOTIFY_SOCKET", path)
	var told strings.Builder
	var listening sync.WaitGroup
	listening.Go(func() {
		for buf := make([]byte, 64<<10); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			fmt.Fprintf(&told, "%s\n", buf[:n])
		}
	})
	return func() string {
		v.Helper()
		if err := conn.Close(); err != nil {
			v.Error(err)
		}
		listening.Wait()
		if !strings.Contains(told.String(), "READY=1") {
			v.Error("systemd was told nothing")
		}
		return told.String()
	}
}
