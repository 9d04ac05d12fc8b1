package endtoend

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// finding is what validate prints about one thing.
type finding struct {
	Area     string `json:"area"`
	Subject  string `json:"subject"`
	Detail   string `json:"detail"`
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Remedy   string `json:"remedy"`
}

// validate runs the command of that name and returns its exit code and the problems that it found.
func validate(t *testing.T, config string) (exit int, problems []finding) {
	t.Helper()
	exit, out, errs := harness.Command(t, "validate", "-c", harness.ConfigFile(t, config), "-o", "json")
	var doc struct {
		OK       bool      `json:"ok"`
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("validate prints no document: %v\n%s%s", err, out, errs)
	}
	problems = slices.DeleteFunc(doc.Findings, func(f finding) bool { return f.Severity != "problem" })
	if doc.OK != (len(problems) == 0) || doc.OK != (exit == 0) {
		t.Errorf("ok is %v with exit code %d and the problems %+v", doc.OK, exit, problems)
	}
	noSecrets(t, "validate", out+errs)
	return exit, problems
}

// Passwords of the tests, right and wrong ones. They may be shown nowhere.
const (
	kafkaSecret = "kAfka-Secr3t"
	mysqlSecret = "mYsql-Secr3t"
	wrongSecret = "wR0ng-Secr3t"
)

// noSecrets fails the test when a text shows a password.
func noSecrets(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{kafkaSecret, mysqlSecret, wrongSecret} {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("%s shows a password: …%s…", what, text[max(0, at-200):min(len(text), at+50)])
		}
	}
}

// discreet fails the test when the daemon shows a password anywhere.
func discreet(t *testing.T, d *harness.Daemon) {
	t.Helper()
	noSecrets(t, "the log", d.Log())
	for _, path := range []string{"/status", "/readyz", "/metrics", "/healthz"} {
		code, body, err := d.Get(t.Context(), path)
		if err != nil || code != 200 && path != "/readyz" {
			t.Errorf("%s answers %d, %v", path, code, err)
		}
		noSecrets(t, path, string(body))
	}
	_, out, errs := harness.Command(t, "status", "-c", d.Config())
	noSecrets(t, "cdcbridge status", out+errs)
}
