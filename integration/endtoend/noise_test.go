package endtoend

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// noise passes connections to a MySQL server on and flips one bit of each binlog stream, somewhere in its first bytes. What
// comes before the stream is left alone: it has no checksums.
type noise struct {
	listener net.Listener
	upstream string
	on       atomic.Bool
	flips    atomic.Int64
	mu       sync.Mutex
	r        *rand.Rand
	links    sync.WaitGroup
}

func newNoise(t *testing.T, upstream string, seed uint64) *noise {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &noise{listener: l, upstream: upstream, r: rand.New(rand.NewPCG(seed, 4))}
	n.on.Store(true)
	n.links.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			n.links.Go(func() { n.link(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		n.links.Wait() // the daemon has gone before
	})
	return n
}

// after says how many bytes of a stream come before the flipped bit: often few, now and then many.
func (n *noise) after() (bytes int, bit byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.r.IntN([]int{300, 3000, 30_000, 200_000}[n.r.IntN(4)]), 1 << n.r.IntN(8)
}

func (n *noise) link(client net.Conn) {
	server, err := net.Dial("tcp", n.upstream)
	if err != nil {
		_ = client.Close()
		return
	}
	var streaming atomic.Bool
	var both sync.WaitGroup
	both.Go(func() {
		defer server.Close()
		buf := make([]byte, 64<<10)
		for {
			got, err := client.Read(buf)
			if got > 4 && buf[3] == 0 && (buf[4] == 0x1e || buf[4] == 0x12) { // COM_BINLOG_DUMP_GTID, COM_BINLOG_DUMP
				streaming.Store(true)
			}
			if got > 0 {
				if _, werr := server.Write(buf[:got]); werr != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	both.Go(func() {
		defer client.Close()
		left, bit := n.after()
		buf := make([]byte, 64<<10)
		for {
			got, err := server.Read(buf)
			if streaming.Load() && got > 0 && left >= 0 && n.on.Load() {
				if left < got {
					buf[left] ^= bit
					n.flips.Add(1)
				}
				left -= got
			}
			if got > 0 {
				if _, werr := client.Write(buf[:got]); werr != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	both.Wait()
}

// restarts counts the daemon's attempts that failed, by code.
func restarts(t *testing.T, d *harness.Daemon) map[string]int {
	t.Helper()
	var doc struct {
		Pipelines []struct {
			Restarts map[string]int `json:"restarts"`
		} `json:"pipelines"`
	}
	_, body, err := d.Get(t.Context(), "/status")
	if err == nil {
		err = json.Unmarshal(body, &doc)
	}
	if err != nil || len(doc.Pipelines) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	return doc.Pipelines[0].Restarts
}

// TestDamagedStream reads the log over a network that damages it again and again: nothing wrong, nothing twice and nothing
// less reaches the topics, and no person is needed.
func TestDamagedStream(t *testing.T) {
	t.Parallel()
	began := time.Now()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	b := newBench(t, my, "shop")
	seed := harness.FreshSeed(t)
	n := newNoise(t, my.Addr(), seed)
	config := setup{name: "noise", b: b, brokers: kafka.Brokers(), source: ", tls: {mode: disabled}"}.yaml()
	_, port, _ := net.SplitHostPort(n.listener.Addr().String())
	_, own, _ := net.SplitHostPort(my.Addr())
	d := start(t, strings.Replace(config, "port: "+own, "port: "+port, 1))
	want := int64(harness.Longer(6, 100))
	for round := uint64(0); n.flips.Load() < want; round++ {
		b.write(t.Context(), t, seed+2*round, 2, 10)
		if s, err := d.Status(t.Context()); err == nil && len(s) > 0 && s[0].State == "failed" {
			t.Fatalf("after %d flipped bits: %+v", n.flips.Load(), s[0])
		}
		time.Sleep(50 * time.Millisecond)
		if ago := time.Since(began); ago > harness.Longer(2*time.Minute, 40*time.Minute) {
			t.Fatalf("%d flipped bits in %v", n.flips.Load(), ago)
		}
	}
	n.on.Store(false)
	b.settle(t, "noise", kafka.Brokers(), 90*time.Second)
	harness.StateFor(t, d, 30*time.Second, "running")
	codes := restarts(t, d)
	t.Logf("%d flipped bits, restarts %v, in %v", n.flips.Load(), codes, time.Since(began))
	if codes["corrupt"] == 0 {
		t.Error("no attempt ended with corrupt")
	}
	for code := range codes {
		if code != "corrupt" && code != "source" && code != "unreachable" {
			t.Errorf("a damaged stream was called %s", code)
		}
	}
	harness.StopFor(t, d)
	records := b.settle(t, "noise", kafka.Brokers(), 0)
	b.complete(t, "noise", kafka.Brokers())
	evidence(t, began, map[string]any{"seed": seed, "flipped_bits": n.flips.Load(), "restarts": codes, "transactions": b.load.committed.Load(), "records": records})
}
