package endtoend

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestSidesOfPostgres does the same with messages, within transactions and between them.
func TestSidesOfPostgres(t *testing.T) {
	t.Parallel()
	pg := servers.PostgresFor(t, servers.PostgresOptions{})
	b := attachPostgres(t, pg, "sides_pg")
	s := &sideRun{name: "sides_pg", db: b.conn, source: b.source() + `, tables: ["sides_pg.*"], messages: true`, options: ", include_logical_messages: true",
		kafka: servers.KafkaFor(t, servers.KafkaOptions{})}
	s.exec(t, "CREATE SCHEMA sides_pg", "CREATE TABLE sides_pg.t (id INT PRIMARY KEY, note TEXT)", "CREATE TABLE sides_pg.u (id INT PRIMARY KEY, note TEXT)")
	s.killed(t, func(round int) {
		from := round * 10_000
		s.say(t, round, "a", false)
		s.insert(t, from, 3, s.message(round, "b", true))
		s.insert(t, from+1000, 1500)
		s.say(t, round, "c", false)
		s.insert(t, from+5000, 2, s.message(round, "d", true), "TRUNCATE sides_pg.t")
		s.truncate++
		s.say(t, round, "e", true)
		s.truncateTable(t)
		s.insert(t, from+6000, 1)
		s.say(t, round, "f", false)
	})
	s.lastSaid(t)
	s.checkTransactions(t, s.withoutRows(t, s.checkRows(t)))
	s.checkHeartbeats(t)
	var got []string
	for _, r := range s.read(t, "sides_pg.message") {
		m := decoded[struct {
			Op      string
			Message struct{ Prefix, Content string }
			Source  struct{ DB, Schema, Table string }
		}](t, r.Value)
		content, err := base64.StdEncoding.DecodeString(m.Message.Content)
		if err != nil || m.Op != "m" || m.Message.Prefix != "side" || string(r.Key) != `{"prefix":"side"}` || m.Source.DB != "sides_pg" {
			t.Errorf("%s = %s", r.Key, r.Value)
		}
		got = append(got, string(content))
	}
	if !slices.Equal(got, s.messages) {
		t.Errorf("messages %q, want %q", got, s.messages)
	}
}

// lastSaid kills a daemon for which a message between transactions was the last that the log had: nothing behind it moves the
// position, but the message must not be read again.
func (s *sideRun) lastSaid(t *testing.T) {
	t.Helper()
	s.insert(t, 900_000, 1)
	s.say(t, 900, "z", false)
	d := start(t, s.yaml())
	for end := time.Now().Add(30 * time.Second); len(s.read(t, s.name+".message")) < len(s.messages); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the last message does not come")
		}
	}
	d.Kill()
	d = start(t, s.yaml())
	catchUp(t, d, time.Minute)
	harness.StopFor(t, d)
}

// message remembers a message and gives the statement that writes it.
func (s *sideRun) message(round int, which string, transactional bool) string {
	content := fmt.Sprintf("%d%s", round, which)
	s.messages = append(s.messages, content)
	return fmt.Sprintf("SELECT pg_logical_emit_message(%v, 'side', '%s')", transactional, content)
}

func (s *sideRun) say(t *testing.T, round int, which string, transactional bool) {
	t.Helper()
	s.exec(t, s.message(round, which, transactional))
}

// withoutRows adds the transactions that have records beside the rows only: those of messages and truncations.
func (s *sideRun) withoutRows(t *testing.T, perTxn map[string]map[string]int) map[string]map[string]int {
	t.Helper()
	for _, topic := range []string{s.name + ".message", s.name + ".t"} {
		for _, r := range s.read(t, topic) {
			if id := r.Headers["cdc.txn"]; id != "" && perTxn[id] == nil {
				perTxn[id] = map[string]int{}
			}
		}
	}
	return perTxn
}
