package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// A late case is a request that the network keeps while its connection ends, and delivers two transactions later.
type late struct {
	name    string
	key     kmsg.Key
	fate    servers.Fate
	givenUp bool // all repetitions are kept too, until the daemon opens anew
	classic bool // only the classic protocol has this request
}

var lateCases = []late{
	{name: "commit, cut", key: kmsg.EndTxn, fate: servers.Withhold},
	{name: "commit, silent", key: kmsg.EndTxn, fate: servers.WithholdSilently},
	{name: "commit, given up", key: kmsg.EndTxn, fate: servers.Withhold, givenUp: true},
	{name: "rows, cut", key: kmsg.Produce, fate: servers.Withhold},
	{name: "rows, silent", key: kmsg.Produce, fate: servers.WithholdSilently},
	{name: "rows, given up", key: kmsg.Produce, fate: servers.Withhold, givenUp: true},
	{name: "partitions, cut", key: kmsg.AddPartitionsToTxn, fate: servers.Withhold, classic: true},
}

// TestLateRequests delays requests of a transaction past the next one. They reach the broker while a later transaction is
// open, which they must not touch: the broker refuses every one of them.
func TestLateRequests(t *testing.T) {
	clusters := map[string]servers.KafkaOptions{"KIP-890": {TransactionVersion: "2"}, "classic": {TransactionVersion: "0"}}
	if long {
		clusters["kafka39"] = servers.KafkaOptions{Version: "39"}
	}
	for name, o := range clusters {
		t.Run(name, func(t *testing.T) {
			began, requests, records := time.Now(), 0, 0
			o.Proxied = true
			kafka := servers.KafkaFor(t, o)
			proxy := servers.KafkaProxyFor(t, kafka, 0)
			my := servers.MySQLFor(t, servers.MySQLOptions{})
			for i := range harness.Longer(1, 10) {
				n, m := lateRound(t, kafka, proxy, newBench(t, my, fmt.Sprintf("late%d", i)))
				requests, records = requests+n, records+m
			}
			evidence(t, began, map[string]any{"late_requests": requests, "records": records})
		})
	}
}

// lateRound runs every case against one daemon and returns how many requests came late and how many records there are.
func lateRound(t *testing.T, kafka *servers.Kafka, proxy *servers.KafkaProxy, b *bench) (requests, records int) {
	t.Helper()
	d := start(t, setup{
		name: b.name, b: b, brokers: kafka.Listener(servers.Proxied), kafka: ", transaction_timeout: 6s", commit: "{min_gap: 200ms}",
	}.yaml())
	quiet := b.paced(t, harness.FreshSeed(t))
	defer quiet()
	classic := waitProtocol(t, d) == "classic"
	for _, c := range lateCases {
		if c.classic && !classic {
			continue
		}
		t.Run(c.name, func(t *testing.T) { requests += c.run(t, kafka, proxy, d, b.name) })
	}
	quiet()
	b.settle(t, b.name, kafka.Brokers(), 60*time.Second)
	harness.StateFor(t, d, 30*time.Second, "running")
	harness.StopFor(t, d)
	records = b.settle(t, b.name, kafka.Brokers(), 0)
	b.complete(t, b.name, kafka.Brokers())
	return requests, records
}

// paced is during with pauses: there is always something to write, and the topics stay small.
func (b *bench) paced(t *testing.T, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; seed++ {
			b.write(ctx, t, seed, 1, 3)
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// waitProtocol waits until the daemon runs and returns the protocol of its transactions.
func waitProtocol(t *testing.T, d *harness.Daemon) string {
	t.Helper()
	harness.StateFor(t, d, 30*time.Second, "running")
	_, body, err := d.Get(t.Context(), "/status")
	var doc struct {
		Pipelines []struct{ Protocol string }
	}
	if err == nil {
		err = json.Unmarshal(body, &doc)
	}
	if err != nil || len(doc.Pipelines) != 1 {
		t.Fatalf("/status says %s, %v", body, err)
	}
	return doc.Pipelines[0].Protocol
}

// run returns how many requests came late.
func (c late) run(t *testing.T, kafka *servers.Kafka, proxy *servers.KafkaProxy, d *harness.Daemon, pipeline string) int {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	rule := servers.KafkaRule{Key: c.key, Times: 1, Fate: c.fate, Match: ofCommit}
	if c.givenUp {
		rule.Times = 0
	}
	opens := proxy.Answered(kmsg.InitProducerID)
	m := proxy.Begin(rule)
	defer m.End()
	if err := m.Wait(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if c.givenUp {
		waitAnswers(ctx, t, proxy, kmsg.InitProducerID, opens+1)
	}
	m.End()
	waitAnswers(ctx, t, proxy, kmsg.EndTxn, proxy.Answered(kmsg.EndTxn)+2)
	freezeInTransaction(t, d, kafka.Brokers(), pipeline)
	answers, err := m.Release(ctx)
	if serr := d.Signal(syscall.SIGCONT); serr != nil {
		t.Fatal(serr)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		for _, code := range codesOf(a) {
			if code == 0 {
				t.Errorf("the broker carried out a late %s", c.key.Name())
			}
		}
	}
	t.Logf("%d late requests, the first was answered %v", len(answers), kerr.ErrorForCode(codesOf(answers[0])[0]))
	waitAnswers(ctx, t, proxy, kmsg.EndTxn, proxy.Answered(kmsg.EndTxn)+1)
	return len(answers)
}

// ofCommit tells the requests of a transaction that is to be committed.
func ofCommit(req kmsg.Request) bool {
	end, ok := req.(*kmsg.EndTxnRequest)
	return !ok || end.Commit
}

// codesOf are the error codes of an answer that has been asked about here.
func codesOf(resp kmsg.Response) (codes []int16) {
	switch resp := resp.(type) {
	case *kmsg.EndTxnResponse:
		codes = append(codes, resp.ErrorCode)
	case *kmsg.ProduceResponse:
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	case *kmsg.AddPartitionsToTxnResponse:
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	}
	return codes
}

// waitAnswers waits until the broker has answered n requests of that kind.
func waitAnswers(ctx context.Context, t *testing.T, proxy *servers.KafkaProxy, key kmsg.Key, n int) {
	t.Helper()
	for proxy.Answered(key) < n {
		if ctx.Err() != nil {
			t.Fatalf("%d answers to %s, waited for %d", proxy.Answered(key), key.Name(), n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
