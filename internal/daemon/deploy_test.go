package daemon

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.yaml.in/yaml/v3"

	"cdcbridge/capture"
)

const deploy = "../../deploy/"

// known maps each metric's name to its labels. Those of Go and of the process have none.
func known(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"up": nil}
	for _, f := range families(t) {
		all[f.GetName()] = labelsOf(f)
		if f.GetMetric()[0].GetSummary() != nil {
			all[f.GetName()+"_sum"], all[f.GetName()+"_count"] = labelsOf(f), labelsOf(f)
		}
	}
	for _, name := range append(described(collectors.NewGoCollector()), described(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))...) {
		all[name] = nil
	}
	return all
}

var (
	metricIn = regexp.MustCompile(`\b((?:cdcbridge|go|process)_[a-z_]+|up)\b(?:\{([^}]*)\})?`)
	labelIn  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// problemsOf holds an expression of PromQL against the metrics that there are: names, labels, and values of those labels of
// which all values are known. It also tells how many metrics it found.
func problemsOf(expr string, metrics map[string][]string) (problems []string, found int) {
	all := metricIn.FindAllStringSubmatch(expr, -1)
	for _, m := range all {
		labels, ok := metrics[m[1]]
		if !ok {
			problems = append(problems, "there is no metric "+m[1])
			continue
		}
		for _, l := range labelIn.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "job" && l[1] != "instance" && !slices.Contains(labels, l[1]) {
				problems = append(problems, m[1]+" has no label "+l[1])
			}
			if l[1] == "state" && m[1] == "cdcbridge_pipeline_state" && !slices.Contains(States, State(l[2])) {
				problems = append(problems, "no pipeline is ever "+l[2])
			}
			if l[1] == "status" && !slices.Contains(snapshotStatuses, capture.SnapshotStatus(l[2])) {
				problems = append(problems, "no snapshot is ever "+l[2])
			}
		}
	}
	return problems, len(all)
}

// checkExpr reports the problems of an expression, and returns how many metrics it has.
func checkExpr(t *testing.T, where, expr string, metrics map[string][]string) int {
	t.Helper()
	problems, found := problemsOf(expr, metrics)
	for _, p := range problems {
		t.Errorf("%s: %s", where, p)
	}
	return found
}

// alertRule is what a person who is woken by an alert sees of it, and why.
type alertRule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestAlerts: every alert uses metrics that there are, says what it means and what to do, and has a test that makes it fire.
func TestAlerts(t *testing.T) {
	var rules struct{ Groups []struct{ Rules []alertRule } }
	readYAML(t, deploy+"prometheus/alerts.yml", &rules)
	var tests struct {
		Tests []struct {
			InputSeries   []struct{ Series string } `yaml:"input_series"`
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, deploy+"prometheus/alerts_test.yml", &tests)
	metrics, fires := known(t), map[string]bool{}
	for _, c := range tests.Tests {
		for _, s := range c.InputSeries {
			checkExpr(t, "alerts_test.yml", s.Series, metrics)
		}
		for _, a := range c.AlertRuleTest {
			fires[a.Alertname] = fires[a.Alertname] || len(a.ExpAlerts) > 0
		}
	}
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			count++
			if checkExpr(t, r.Alert, r.Expr, metrics) == 0 {
				t.Errorf("%s looks at no metric", r.Alert)
			}
			if !fires[r.Alert] {
				t.Errorf("no test of alerts_test.yml makes %s fire", r.Alert)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s has severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say what it means", r.Alert)
			}
			if want := "docs/metrics.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want || !strings.Contains(string(page), "\n### "+r.Alert+"\n") {
				t.Errorf("%s has runbook %s, want %s and that heading", r.Alert, r.Annotations["runbook"], want)
			}
		}
	}
	if sections := strings.Count(string(page), "\n### "); count < 15 || count != sections {
		t.Errorf("%d alerts, and %d sections about them", count, sections)
	}
}

// panel is what matters of a panel of Grafana.
type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ Expr string }
}

// TestDashboard: every panel shows metrics that there are, says what it shows, and lies beside the others.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(deploy + "grafana/cdcbridge.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID        string
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	metrics, ids, places, shown := known(t), map[int]bool{}, map[[2]int]string{}, 0
	for _, v := range dashboard.Templating.List {
		checkExpr(t, "variable "+v.Name, v.Definition, metrics)
	}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("panel %s has the id of another one", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := places[[2]int{x, y}]; taken {
					t.Fatalf("panel %s lies on %s", p.Title, other)
				}
				places[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d %q lacks a title, a description or a query", p.ID, p.Title)
		}
		for _, target := range p.Targets {
			shown += checkExpr(t, "panel "+p.Title, target.Expr, metrics)
		}
	}
	if dashboard.UID == "" || shown < 40 {
		t.Errorf("dashboard %q shows %d metrics only", dashboard.UID, shown)
	}
}

// TestExpressionsAreChecked makes sure that what is wrong is found.
func TestExpressionsAreChecked(t *testing.T) {
	metrics := known(t)
	for _, c := range []struct {
		expr  string
		wrong bool
	}{
		{`rate(cdcbridge_changes_total{job="$job", pipeline=~"$pipeline"}[5m])`, false},
		{`cdcbridge_commit_duration_seconds_sum`, false},
		{`cdcbridge_pipeline_state{state="failed"} == 1`, false},
		{`cdcbridge_commit_duration_seconds_bucket`, true},
		{`cdcbridge_change_total`, true},
		{`cdcbridge_ready{table="a"}`, true},
		{`cdcbridge_pipeline_state{state="dead"} == 1`, true},
		{`cdcbridge_snapshot_tables{status="dead"}`, true},
	} {
		if problems, found := problemsOf(c.expr, metrics); found != 1 || len(problems) > 0 != c.wrong {
			t.Errorf("%s: found %d metrics and the problems %q", c.expr, found, problems)
		}
	}
}
