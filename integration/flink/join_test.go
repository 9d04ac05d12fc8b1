package flink

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

var eventPattern = regexp.MustCompile("WATERMARK FOR (`[^`]+`)")

// event is the quoted column that the statement has its watermark on.
func (s *statement) event(t *testing.T) string {
	t.Helper()
	m := eventPattern.FindStringSubmatch(s.Statement)
	if m == nil {
		t.Fatalf("no watermark in %s", s.Statement)
	}
	return m[1]
}

// join gives the orders of a log the rates of their time.
func join(t *testing.T, orders, rates statement, options string) string {
	t.Helper()
	hint := ""
	if options != "" {
		hint = " /*+ OPTIONS(" + options + ") */"
	}
	return orders.Statement + ";\n" + rates.Statement + ";\nSELECT o.id, r.rate FROM " + quoteName(orders.Name) + hint + " AS o LEFT JOIN " + quoteName(rates.Name) + hint +
		" FOR SYSTEM_TIME AS OF o." + orders.event(t) + " AS r ON o.currency = r.currency;"
}

// testJoin joins an append-only log of orders with the compacted topic of rates in every format, by the statements as they are.
func (s *shop) testJoin(t *testing.T) {
	for _, output := range formats {
		orders, rates := s.of(t, "log", "orders"), s.of(t, output, "rates")
		got := lines(s.mustAsk(t, join(t, orders, rates, "'scan.bounded.mode' = 'latest-offset'")))
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "+I ")
		}
		slices.Sort(got)
		want := slices.Clone(joined)
		if output == "row" { // as the remark of its statement says: a row that is deleted later is missing from its very beginning
			want[2] = "3 null"
			if !strings.Contains(rates.Statement, "missing from its very beginning") {
				t.Errorf("no warning in %s", rates.Statement)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", output, got, want)
		}
	}
}

// testIdle joins topics that do not end, one partition of each of which is empty. It holds the watermark back for ever unless Flink is
// told what idle is.
func (s *shop) testIdle(t *testing.T) {
	orders, lastOrder := s.onePartition(t, "log", "orders")
	rates, lastRate := s.onePartition(t, "dbz", "rates")
	var live sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	live.Go(func() { // a source all of whose partitions are idle has no watermark either
		for ctx.Err() == nil {
			_ = s.cl.ProduceSync(ctx, lastOrder, lastRate)
			time.Sleep(200 * time.Millisecond)
		}
	})
	defer live.Wait()
	defer cancel()
	query := strings.TrimSuffix(join(t, orders, rates, ""), ";") + " WHERE o.id < 5;"
	r, err := s.flink.Run(t.Context(), servers.FlinkScript{SQL: query, Timeout: 4 * time.Second})
	if err != nil || !r.Timeout || len(r.Rows) > 0 {
		t.Errorf("with an idle partition: %q, over in time %v, %v", lines(r), !r.Timeout, err)
	}
	r, err = s.flink.Run(t.Context(), servers.FlinkScript{SQL: "SET 'table.exec.source.idle-timeout' = '1 s';\n" + query, Limit: 4, Timeout: 30 * time.Second})
	got := lines(r)
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], "+I ")
	}
	slices.Sort(got)
	if err != nil || r.Timeout || !slices.Equal(got, joined[:4]) {
		t.Errorf("with idle-timeout: %q, over in time %v, %v", got, !r.Timeout, err)
	}
}

// onePartition copies a topic into the first partition of another one. It gives the statement for that, and the last record.
func (s *shop) onePartition(t *testing.T, output, table string) (statement, *kgo.Record) {
	t.Helper()
	st, topic := s.of(t, output, table), "idle."+table
	s.topic(t, topic, 2, "delete")
	records, err := harness.ReadTopic(t.Context(), s.kafka.Brokers(), st.Topic)
	if err != nil {
		t.Fatal(err)
	}
	position := func(r harness.Record) int {
		_, at, _ := strings.Cut(r.Headers["cdc.pos"], ":")
		n, err := strconv.Atoi(at)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	slices.SortStableFunc(records, func(a, b harness.Record) int { return position(a) - position(b) }) // of two partitions
	var last *kgo.Record
	for _, r := range records {
		last = &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value}
		s.produce(t, last)
	}
	return st.renamed(st.Name, topic), &kgo.Record{Topic: topic, Key: last.Key, Value: last.Value}
}
