package daemon

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"cdcbridge/capture"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/metrics.md")

const metricsPage = "../../docs/metrics.md"

// everything is the status of a daemon of which every metric is known.
func everything() Status {
	now, one, lag := time.Unix(1_700_000_000, 0), 1.0, int64(3)
	return Status{Version: "v9", Pipelines: []PipelineStatus{{
		Name: "shop", State: Running, Ready: true, Restarts: map[string]uint64{"auth": 1},
		LastCommit: &now, LagSeconds: &one, OpenTransactionSeconds: &one, MemoryBytes: 48 << 20,
		RetainedBytes: 1, RetainedLimitBytes: 2, Watermark: &now,
		Partitions: []PartitionProgress{{PartitionStats: capture.PartitionStats{Topic: "orders"}, Lag: &lag, Watermark: &now}},
		Snapshots:  []SnapshotProgress{{TableSnapshot: capture.TableSnapshot{Table: "public.orders", Status: capture.SnapshotReading, Rows: 1, Estimate: 2}}},
	}}}
}

// families gathers all metrics of the collector. The registry is pedantic: what is collected has been described.
func families(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(newCollector(everything))
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

// described are the names that a collector describes.
func described(c prometheus.Collector) []string {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		c.Describe(descs)
	}()
	var names []string
	for d := range descs {
		names = append(names, fqName.FindStringSubmatch(d.String())[1])
	}
	sort.Strings(names)
	return names
}

// TestMetricsHaveGoodNames asks the linter of Prometheus.
func TestMetricsHaveGoodNames(t *testing.T) {
	problems, err := promlint.NewWithMetricFamilies(families(t)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestMetricsPage keeps the tables of docs/metrics.md equal to what the collector gives. -update rewrites them.
func TestMetricsPage(t *testing.T) {
	all := families(t)
	var names []string
	rows := map[string][]string{} // section → lines
	for _, f := range all {
		names = append(names, f.GetName())
		section := metricSection(f)
		rows[section] = append(rows[section], metricRow(f))
	}
	if want := described(newCollector(everything)); !slices.Equal(names, want) {
		t.Fatalf("the status of this test gives\n%v\nof\n%v", names, want)
	}
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for section, lines := range rows {
		want = replaceTable(t, want, section, lines)
	}
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatalf("the tables of docs/metrics.md are not those of the collector; rewrite them: go test ./internal/daemon -run %s -update", t.Name())
	}
	if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replaceTable puts the lines between the markers of a section.
func replaceTable(t *testing.T, page, section string, lines []string) string {
	t.Helper()
	begin, end := "<!-- metrics: "+section+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(page, begin)
	if !found {
		t.Fatalf("docs/metrics.md has no line %q", strings.TrimSpace(begin))
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatalf("docs/metrics.md has no line %q after %q", end, strings.TrimSpace(begin))
	}
	table := "| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n" + strings.Join(lines, "\n") + "\n"
	return before + begin + table + end + after
}

// metricSection says under which heading of the page a metric is.
func metricSection(f *dto.MetricFamily) string {
	name := strings.TrimPrefix(f.GetName(), "cdcbridge_")
	labels := labelsOf(f)
	switch {
	case strings.HasPrefix(name, "snapshot_"):
		return "snapshots"
	case strings.HasPrefix(name, "config_"):
		return "configuration"
	case slices.Contains(labels, "partition"), strings.HasPrefix(name, "source_partitions"), strings.HasPrefix(name, "source_pending"),
		strings.HasPrefix(name, "source_commits"), regexp.MustCompile(`^source_(skipped|parked|repeated)_`).MatchString(name):
		return "topics"
	case strings.HasPrefix(name, "source_"), strings.HasPrefix(name, "watermark_"):
		return "source"
	case regexp.MustCompile(`^(ready|build_info|pipeline_state|attempts_total|restarts_total|lag_seconds|caught_up|in_flight_bytes|memory_budget_bytes)$`).MatchString(name):
		return "state"
	}
	return "delivery"
}

func metricRow(f *dto.MetricFamily) string {
	labels := "–"
	if l := labelsOf(f); len(l) > 0 {
		labels = "`" + strings.Join(l, "`, `") + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()), labels, unitOf(f), strings.ReplaceAll(f.GetHelp(), "|", `\|`))
}

func labelsOf(f *dto.MetricFamily) []string {
	var names []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		names = append(names, l.GetName())
	}
	return names
}

// unitOf reads the unit from the name, where Prometheus has it.
func unitOf(f *dto.MetricFamily) string {
	name := strings.TrimSuffix(strings.TrimPrefix(f.GetName(), "cdcbridge_"), "_total")
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "seconds since 1970"
	case strings.HasSuffix(name, "_per_second"):
		return "rows per second"
	case strings.HasSuffix(name, "_lag"):
		return "offsets"
	case strings.HasPrefix(name, "source_commits_"):
		return "commits"
	case slices.Contains([]string{"ready", "caught_up", "config_last_reload_successful", "build_info", "pipeline_state", "source_partition_idle"}, name):
		return "0 or 1"
	}
	return name[strings.LastIndexByte(name, '_')+1:]
}
