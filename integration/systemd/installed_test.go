package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// installed is the package of the checkout on a machine.
type installed struct{ *machine }

const packagePath = "/root/cdcbridge.deb"

// installFor makes the package and installs it as an administrator does. Nothing is started by that.
func installFor(t *testing.T, m *machine) installed {
	t.Helper()
	cmd := exec.Command("../../deploy/release.sh", "package", "deb")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deb, err := os.ReadFile(filepath.Join("../..", strings.TrimSpace(string(out))))
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, packagePath, string(deb), 0o644)
	m.must(t, "dpkg", "--install", packagePath)
	if now, enabled := m.show(t, "ActiveState"), m.show(t, "UnitFileState"); now != "inactive" || enabled != "disabled" {
		t.Errorf("after the installation the service is %s and %s", now, enabled)
	}
	return installed{m}
}

func (i installed) freeze(t *testing.T) {
	t.Helper()
	i.must(t, "kill", "-STOP", i.show(t, "MainPID"))
}

func (i installed) restarted(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(i.show(t, "NRestarts"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// says has people look at the service: every text is in what systemctl status prints.
func (i installed) says(t *testing.T, texts ...string) {
	t.Helper()
	status, _ := i.run("systemctl", "status", "--no-pager", "--full", "cdcbridge") // it ends with 3 when the service does not run
	for _, text := range texts {
		if !strings.Contains(status, text) {
			t.Errorf("systemctl status does not say %q:\n%s", text, status)
		}
	}
}

// TestInstalled goes through the life of a service on a machine with systemd: installed, wrong configuration, started, hanging,
// reloaded, upgraded, stopped, removed; and no change is lost or twice in the topic.
func TestInstalled(t *testing.T) {
	t.Parallel()
	m := bootFor(t)
	if m == nil {
		return // TestWatchdog has shown what can be shown without systemd
	}
	shop := openShop(t)
	i := installFor(t, m)
	i.isConfined(t)
	i.refusesWrongConfiguration(t, shop)
	i.starts(t, shop)
	comesBack(t, i, shop)
	if journal := i.must(t, "journalctl", "--no-pager", "-u", "cdcbridge"); !strings.Contains(journal, "Watchdog timeout") || !strings.Contains(journal, "internal/daemon.(*Daemon)") {
		t.Errorf("the journal does not say where the daemon hung:\n%s", journal)
	}
	i.reloads(t, shop)
	i.upgrades(t, shop)

	closed := shop.open(t)
	time.Sleep(500 * time.Millisecond)
	i.must(t, "systemctl", "stop", "cdcbridge")
	if how, code := i.show(t, "Result"), i.show(t, "ExecMainStatus"); how != "success" || code != "0" {
		t.Errorf("under load it stops with %s, exit code %s", how, code)
	}
	i.must(t, "systemctl", "start", "cdcbridge")
	closed()
	shop.arrives(t)

	i.must(t, "dpkg", "--remove", "cdcbridge")
	if now, enabled := i.show(t, "ActiveState"), i.show(t, "UnitFileState"); now != "inactive" || enabled != "" {
		t.Errorf("after the removal the service is %s and %q", now, enabled)
	}
	i.must(t, "test", "-f", "/etc/cdcbridge/cdcbridge.yaml")
}

// isConfined asks systemd for its opinion of the unit: it warns of nothing, and the exposure is at most 2.0 of 10.
func (i installed) isConfined(t *testing.T) {
	t.Helper()
	const unit = "/usr/lib/systemd/system/cdcbridge.service"
	if said := i.must(t, "systemd-analyze", "verify", "--man=no", unit); said != "" {
		t.Errorf("systemd-analyze verify says %s", said)
	}
	said := i.must(t, "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)
	t.Log(said[max(0, strings.LastIndex(said, "→")):])
}

func (i installed) refusesWrongConfiguration(t *testing.T, shop *shop) {
	t.Helper()
	i.write(t, "/etc/cdcbridge/cdcbridge.yaml", strings.Replace(shop.config("password: secret", "public.orders"), "brokers", "brokrs", 1), 0o644)
	if out, err := i.run("systemctl", "start", "cdcbridge"); err == nil {
		t.Errorf("a wrong configuration was started: %s", out)
	}
	time.Sleep(3 * time.Second) // RestartSec and some more
	i.says(t, "Active: failed (Result: exit-code)", "(code=exited, status=3)", "kafka.brokrs: unknown key, did you mean brokers?", "What to do: ", "docs/errors.md#config")
	if n := i.restarted(t); n != 0 {
		t.Errorf("it was started again %d times", n)
	}
}

// starts the service as the documentation says: the password is a credential.
func (i installed) starts(t *testing.T, shop *shop) {
	t.Helper()
	i.write(t, "/etc/cdcbridge/secrets/shop", shop.pg.Password()+"\n", 0o600)
	i.write(t, "/etc/systemd/system/cdcbridge.service.d/override.conf", "[Service]\nLoadCredential=shop:/etc/cdcbridge/secrets/shop\nWatchdogSec=6s\n", 0o644)
	i.write(t, "/etc/cdcbridge/cdcbridge.yaml", shop.config("password_file: \"${CREDENTIALS_DIRECTORY}/shop\"", "public.orders"), 0o644)
	i.must(t, "systemctl", "daemon-reload")
	i.must(t, "systemctl", "enable", "--now", "cdcbridge")
	i.says(t, "Active: active (running)", "enabled")
	process := i.must(t, "cat", "/proc/"+i.show(t, "MainPID")+"/status")
	uid := regexp.MustCompile(`(?m)^Uid:\t(\d+)`).FindStringSubmatch(process)
	if uid == nil {
		t.Fatal(process)
	}
	if n, err := strconv.Atoi(uid[1]); err != nil || n < 61184 || n > 65519 {
		t.Errorf("it runs as %s, which is no user that lives as long as the service", uid[1])
	}
	for _, line := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(process, "\n"+line+"\n") {
			t.Errorf("the process has not %q:\n%s", line, process)
		}
	}
	shop.arrives(t)
}

// reloads a configuration that is wrong, which changes nothing, and then one with a table more, by the same process.
func (i installed) reloads(t *testing.T, shop *shop) {
	t.Helper()
	pid := i.show(t, "MainPID")
	const password = "password_file: \"${CREDENTIALS_DIRECTORY}/shop\""
	i.write(t, "/etc/cdcbridge/cdcbridge.yaml", strings.Replace(shop.config(password, "public.orders"), "brokers", "brokrs", 1), 0o644)
	i.must(t, "systemctl", "reload", "cdcbridge")
	within(t, 10*time.Second, func() error {
		if status := i.show(t, "StatusText"); !strings.Contains(status, "kafka.brokrs") {
			return fmt.Errorf("the status is %q", status)
		}
		return nil
	})
	i.says(t, "Active: active (running)", "did you mean brokers?", "docs/errors.md#config")
	shop.arrives(t)
	i.write(t, "/etc/cdcbridge/cdcbridge.yaml", shop.config(password, "public.orders, public.later"), 0o644)
	i.must(t, "systemctl", "reload", "cdcbridge")
	shop.holds(t, "later")
	shop.arrives(t)
	if now := i.show(t, "MainPID"); now != pid {
		t.Errorf("process %s was %s before", now, pid)
	}
}

// upgrades as dpkg does it, while rows are written: the daemon that runs drains, and the new program goes on.
func (i installed) upgrades(t *testing.T, shop *shop) {
	t.Helper()
	pid := i.show(t, "MainPID")
	closed := shop.open(t)
	time.Sleep(500 * time.Millisecond)
	i.must(t, "dpkg", "--install", packagePath)
	closed()
	if now := i.show(t, "MainPID"); now == pid || now == "0" {
		t.Errorf("process %s runs after the upgrade, %s before", now, pid)
	}
	i.says(t, "Active: active (running)")
	shop.arrives(t)
}
