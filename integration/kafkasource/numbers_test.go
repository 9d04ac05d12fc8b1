package kafkasource

import (
	"fmt"
	"strings"
	"testing"
)

// TestNumbersOfPartitions: /metrics, /status and the status command say where the pipeline stands, on topics with transactions, and a
// pipeline that has nothing to read is ready.
func TestNumbersOfPartitions(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
	s.write(t, dated(table.fill(0, 12))...)
	b := e.reads(t, debezium, ", watermark: {from: record, lateness: 1s, idle_timeout: 500ms}", s.topic)
	d := b.running(t)
	b.came(t, s)
	ends := e.ends(t, s.topic)
	label := func(metric string, partition int32, value string) string {
		return fmt.Sprintf("\ncdcbridge_source_%s{partition=\"%d\",pipeline=\"%s\",topic=\"%s\"} %s\n", metric, partition, b.name, s.topic, value)
	}
	eventually(t, func() error {
		code, body, err := d.Get(t.Context(), "/metrics")
		if err != nil || code != 200 {
			return fmt.Errorf("%d, %w", code, err)
		}
		page := string(body)
		for p := range int32(2) {
			for _, want := range []string{
				label("current_offset", p, fmt.Sprint(ends[p]-1)), label("committed_offset", p, fmt.Sprint(ends[p])), label("records_lag", p, "0"),
				label("partition_records_total", p, fmt.Sprint(ends[p])), label("partition_idle", p, "1"),
			} {
				if !strings.Contains(page, want) {
					return fmt.Errorf("no %s", want)
				}
			}
		}
		for _, want := range []string{"source_pending_records{", "source_commits_failed_total{"} {
			if !strings.Contains(page, fmt.Sprintf("\ncdcbridge_%spipeline=%q} 0\n", want, b.name)) {
				return fmt.Errorf("no %s", want)
			}
		}
		for _, stray := range []string{"source_commits_succeeded_total{", "source_bytes_total{", "watermark_timestamp_seconds{"} {
			if i := strings.Index(page, fmt.Sprintf("\ncdcbridge_%spipeline=%q} ", stray, b.name)); i < 0 || strings.HasPrefix(page[i:], fmt.Sprintf("\ncdcbridge_%spipeline=%q} 0\n", stray, b.name)) {
				return fmt.Errorf("nothing counts as %s", stray)
			}
		}
		return nil
	})
	out, code := command(t, "status", "-c", d.Config())
	flat := strings.Join(strings.Fields(out), " ")
	if want := fmt.Sprintf("%s %s 1 %d %d 0 2", b.name, s.topic, ends[1], ends[1]); code != 0 || !strings.Contains(flat, want) {
		t.Errorf("%q is missing in\n%s", want, out)
	}
	eventually(t, func() error { // it has had nothing to do for longer than a busy pipeline may stand still
		all, err := d.Status(t.Context())
		switch {
		case err != nil:
			return err
		case !all[0].CaughtUp || all[0].LagSeconds == nil || *all[0].LagSeconds != 0:
			return fmt.Errorf("it has not caught up: %+v", all[0])
		}
		return nil
	})
	stop(t, d)
}
