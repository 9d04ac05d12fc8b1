package mishaps

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"syscall"

	"github.com/chromedp/chromedp"

	"cdcbridge/integration/harness"
)

const stopSignal = syscall.SIGTERM

// meets waits for the mishap and fails unless each place shows its code, and what to do.
func (s *scene) meets(d *harness.Daemon, m mishap) {
	s.Helper()
	state := "failed"
	if m.retried {
		state = "retrying"
	}
	s.until(func() error {
		all, err := d.Status(s.Context())
		switch {
		case err != nil:
			return err
		case all[0].State == state && (all[0].Code == string(m.code) || !m.retried):
			return nil
		case all[0].State == "failed":
			s.Fatalf("it has given up with %+v", all[0])
		}
		return fmt.Errorf("it is %s, not %s with %s: %+v", all[0].State, state, m.code, all[0])
	})
	s.status(d, m)
	s.page(d, m)
	s.command(d, m)
	s.log(d, m, state)
}

// status looks at what programs read.
func (s *scene) status(d *harness.Daemon, m mishap) {
	s.Helper()
	for path, list := range map[string]string{"/status": "pipelines", "/readyz": "reasons"} {
		answer, body, err := d.Get(s.Context(), path)
		if err != nil {
			s.Fatal(err)
		}
		var doc map[string]json.RawMessage
		var about []struct{ Code, Hint, Doc string }
		if err := json.Unmarshal(body, &doc); err != nil {
			s.Fatal(err)
		}
		if err := json.Unmarshal(doc[list], &about); err != nil {
			s.Fatal(err)
		}
		if len(about) != 1 || about[0].Code != string(m.code) || about[0].Hint == "" || about[0].Doc != "docs/errors.md#"+string(m.code) {
			s.Errorf("%s: %s", path, body)
		}
		if want := map[string]int{"/status": 200, "/readyz": 503}[path]; answer != want {
			s.Errorf("%s answers %d", path, answer)
		}
	}
	for path, words := range map[string]string{"/docs/errors.md": `id="` + string(m.code) + `"`, "/metrics": `cdcbridge_restarts_total{code="` + string(m.code) + `",pipeline="` + s.name + `"}`} {
		_, body, err := d.Get(s.Context(), path)
		if err != nil {
			s.Fatal(err)
		}
		if (path != "/metrics" || m.retried) && !strings.Contains(string(body), words) {
			s.Errorf("%s has no %s", path, words)
		}
	}
}

// page looks at the page as a person does.
func (s *scene) page(d *harness.Daemon, m mishap) {
	s.Helper()
	tab, end := chromedp.NewContext(s.chrome)
	defer end()
	if err := chromedp.Do(tab, chromedp.Navigate("http://"+d.HTTP()+"/")); err != nil {
		s.Fatal(err)
	}
	const shown = `(() => { const p = n => document.querySelector('[data-part=' + n + ']'); return p('fault').hidden ? '' : [p('code').innerText, p('hint').innerText ? 'hint' : '', p('doc').getAttribute('href'), p('state').innerText].join(' ') })()`
	want := fmt.Sprintf("%s hint docs/errors.md#%s ", m.code, m.code)
	s.until(func() error {
		got, err := chromedp.Run(tab, chromedp.Evaluate[string](shown))
		if err == nil && !strings.HasPrefix(got, want) {
			err = fmt.Errorf("the page shows %q, want %q", got, want)
		}
		return err
	})
}

// command looks at what the command says to a person.
func (s *scene) command(d *harness.Daemon, m mishap) {
	s.Helper()
	s.until(func() error {
		exit, out, errs := harness.Command(s.T, "status", "--url", "http://"+d.HTTP())
		if exit != 0 || !strings.Contains(out, string(m.code)) || !strings.Contains(out, "docs/errors.md#"+string(m.code)) {
			return fmt.Errorf("status ends with %d: %s%s", exit, out, errs)
		}
		return nil
	})
}

// log looks for the line about the change of state.
func (s *scene) log(d *harness.Daemon, m mishap, state string) {
	s.Helper()
	level := map[string]string{"failed": "ERROR", "retrying": "WARN"}[state]
	line := regexp.MustCompile(fmt.Sprintf(`(?m)^time=\S+ level=%s msg="pipeline %s" pipeline=%s state=%s .*code=%s error=.* hint=.* doc=docs/errors\.md#%s`, level, state, regexp.QuoteMeta(s.name), state, m.code, m.code))
	if !line.MatchString(d.Log()) {
		s.Errorf("the log has no line %s", line)
	}
}
