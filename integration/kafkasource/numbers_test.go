package kafkasource

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
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
	harness.StopFor(t, d)
}

// TestWatermarkSurvivesARestart: that a partition is idle is forgotten, and its old watermark would pull that of the pipeline back. What
// comes late after that does not, either.
func TestWatermarkSurvivesARestart(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
	at := func(id, minute int) []message {
		all := table.put(id)
		all[0].when = began.Add(time.Duration(minute) * time.Minute)
		return all
	}
	is := func(d *harness.Daemon, minute int) error {
		all, err := d.Status(t.Context())
		want := began.Add(time.Duration(minute)*time.Minute - 5*time.Second)
		switch {
		case err != nil:
			return err
		case all[0].Watermark == nil || !all[0].Watermark.Equal(want):
			return fmt.Errorf("the watermark is %v, want %v", all[0].Watermark, want)
		}
		return nil
	}
	s.write(t, append(at(0, 100), at(1, 10)...)...)
	b := e.reads(t, debezium, ", watermark: {from: record, lateness: 5s, idle_timeout: 1s}", s.topic)
	d := b.running(t)
	eventually(t, func() error { // the second partition is idle before the first one is, which has something now and then
		s.write(t, at(0, 100)...)
		return is(d, 100)
	})
	b.came(t, s)
	harness.StopFor(t, d)

	d = b.running(t)
	for range 20 {
		if err := is(d, 100); err != nil {
			t.Fatalf("after a restart: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.write(t, at(1, 11)...)
	b.came(t, s)
	if err := is(d, 100); err != nil {
		t.Errorf("after a late record: %v", err)
	}
	s.write(t, append(at(1, 130), at(0, 120)...)...)
	eventually(t, func() error { return is(d, 120) })
	harness.StopFor(t, d)
}
