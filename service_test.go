package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"cdcbridge/internal/cli"
	"cdcbridge/internal/config"
)

const serviceFile = "deploy/cdcbridge.service"

// directives reads a unit file: section.key → values. Lines that are neither section, comment nor key=value fail the test.
func directives(t *testing.T, text string) map[string][]string {
	t.Helper()
	all, section := map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "", line[0] == '#':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = line[1 : len(line)-1]
		case !ok || section == "" || key != strings.TrimSpace(key):
			t.Fatalf("%s: a line that systemd does not read: %s", serviceFile, line)
		default:
			all[section+"."+key] = append(all[section+"."+key], value)
		}
	}
	return all
}

func readService(t *testing.T) (string, map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(serviceFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), directives(t, string(text))
}

// TestServiceIsSupervised: what the daemon and systemd have agreed upon. `make check-deploy` asks systemd-analyze too.
func TestServiceIsSupervised(t *testing.T) {
	_, unit := readService(t)
	for key, want := range map[string]string{
		"Service.Type":                     "notify", // internal/daemon sends READY=1
		"Service.NotifyAccess":             "main",
		"Service.Restart":                  "on-failure",
		"Service.RestartPreventExitStatus": "3", // wrong configuration; 2 is also how the watchdog's SIGABRT ends a Go program
		"Service.KillSignal":               "SIGTERM",
		"Service.ExecReload":               "/bin/kill -HUP $MAINPID", // RELOADING=1 and READY=1 around it
		"Install.WantedBy":                 "multi-user.target",
		"Unit.After":                       "network-online.target",
		"Unit.Wants":                       "network-online.target",
	} {
		if got := unit[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for key, least := range map[string]time.Duration{
		"Service.WatchdogSec":    20 * time.Second, // half of it is how often the daemon reports
		"Service.TimeoutStopSec": defaultShutdown(t) + 10*time.Second,
		"Service.RestartSec":     time.Second,
	} {
		value := append(unit[key], "")[0]
		if d, err := time.ParseDuration(value); err != nil || d < least {
			t.Errorf("%s is %q, want at least %s", key, value, least)
		}
	}
	words := strings.Fields(append(unit["Service.ExecStart"], "")[0])
	if len(words) == 0 || words[0] != "/usr/bin/cdcbridge" || !slices.Contains(words, "/etc/cdcbridge/cdcbridge.yaml") {
		t.Fatalf("ExecStart is %q", words)
	}
	var errs bytes.Buffer
	if code := cli.Run(registry(), "1.2.3", cli.Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &errs}, append(words[1:], "--help")); code != 0 {
		t.Errorf("ExecStart is no command: %s", &errs)
	}
}

// defaultShutdown is how long a drain may take by default.
func defaultShutdown(t *testing.T) time.Duration {
	t.Helper()
	const minimal = "kafka: {brokers: [a:9092]}\npipelines: [{name: a, format: canal-json, source: {type: mysql, host: h, user: u, tables: [a.b]}}]\n"
	cfg, err := config.LoadText("c.yml", minimal, registry(), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.ShutdownTimeout
}

// TestServiceIsConfined: what the daemon does not need, it does not have.
func TestServiceIsConfined(t *testing.T) {
	_, unit := readService(t)
	for key, want := range map[string]string{
		"DynamicUser": "yes", "NoNewPrivileges": "yes", "UMask": "0077", "LimitCORE": "0",
		"CapabilityBoundingSet": "", "AmbientCapabilities": "", "KeyringMode": "private",
		"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "DevicePolicy": "closed",
		"PrivateUsers": "yes", "PrivateIPC": "yes", "PrivateMounts": "yes", "ProtectProc": "invisible", "ProcSubset": "pid",
		"ProtectClock": "yes", "ProtectControlGroups": "yes", "ProtectHostname": "yes", "ProtectKernelLogs": "yes",
		"ProtectKernelModules": "yes", "ProtectKernelTunables": "yes",
		"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces": "yes", "RestrictRealtime": "yes", "RestrictSUIDSGID": "yes",
		"LockPersonality": "yes", "MemoryDenyWriteExecute": "yes", "SystemCallArchitectures": "native",
	} {
		if got := unit["Service."+key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := unit["Service.SystemCallFilter"]; !slices.Equal(got, []string{"@system-service", "~@privileged @resources"}) {
		t.Errorf("SystemCallFilter is %q", got)
	}
	for _, key := range []string{"User", "Group", "ReadWritePaths", "Environment", "EnvironmentFile", "PassEnvironment", "BindPaths"} {
		if got, ok := unit["Service."+key]; ok {
			t.Errorf("%s=%q is more than it needs", key, got)
		}
	}
}

// TestServiceShowsCredentials: the line about passwords is one that systemd reads once it is no comment, and the setting beside
// it is one that the daemon reads.
func TestServiceShowsCredentials(t *testing.T) {
	text, unit := readService(t)
	if _, ok := unit["Service.LoadCredential"]; ok {
		t.Error("a credential that is not there would keep the service from starting")
	}
	line := regexp.MustCompile(`(?m)^#(LoadCredential=(\w+):(/etc/cdcbridge/secrets/\w+))$`).FindStringSubmatch(text)
	setting := regexp.MustCompile(`(?m)^# .*configuration says (password_file: (\S+))$`).FindStringSubmatch(text)
	if line == nil || setting == nil {
		t.Fatal("the unit does not show how a password gets to the daemon")
	}
	if got := directives(t, strings.Replace(text, "#LoadCredential", "LoadCredential", 1))["Service.LoadCredential"]; len(got) != 1 {
		t.Errorf("LoadCredential is not in [Service]: %q", got)
	}
	var source map[string]string
	if err := yaml.Unmarshal([]byte(setting[1]), &source); err != nil {
		t.Fatal(err)
	}
	if want := "${CREDENTIALS_DIRECTORY:-/etc/cdcbridge/secrets}/" + line[2]; source["password_file"] != want || line[3] != "/etc/cdcbridge/secrets/"+line[2] {
		t.Errorf("the unit shows %s and %s", line[1], setting[1])
	}
}
