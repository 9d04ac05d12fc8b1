package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestSnapshotTrouble breaks things around tables while they are read: connections are killed in the middle of chunks, columns come,
// the key becomes another one, a table is dropped. The pipeline goes on by itself, and topics fold to tables.
func TestSnapshotTrouble(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		const rows = 40_000
		name := "trouble" + s.schema
		for _, table := range []string{"widened", "rekeyed", "dropped"} {
			s.table(t, table, rows)
		}
		s.table(t, "killed", 3000) // slowly, so that there is somebody to be killed
		d := start(t, shelfConfig(kafka, s.pipeline(name, s.name("*"), "{chunk_bytes: 64KiB, readers: 4, tables: [{name: "+s.name("killed")+", where: \""+s.slow+"\"}]}")))
		waitSnapshots(t, d, 30*time.Second, 4, "reading")
		s.exec(t, "ALTER TABLE "+s.name("widened")+" ADD COLUMN more int NULL", fmt.Sprintf("UPDATE %s SET more = 7, v = 1 WHERE id %% 100 = 0", s.name("widened")))
		s.exec(t, s.rekey(s.name("rekeyed")), fmt.Sprintf("UPDATE %s SET v = 1 WHERE id %% 100 = 0", s.name("rekeyed")))
		if s.schema == "public" { // MySQL logs the statement, and on_truncate decides
			s.exec(t, "DROP TABLE "+s.name("dropped"))
		}
		kills := 0
		for end := time.Now().Add(20 * time.Second); kills < 10 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			kills += s.killReaders(t)
		}
		if kills == 0 {
			t.Error("no reader was killed: the test proves nothing")
		}
		waitRead(t, d, 90*time.Second)
		catchUpAll(t, d, 30*time.Second)
		harness.StopFor(t, d)
		t.Logf("%d connections of readers were killed", kills)
		s.compare(t, kafka, name+".killed", "killed")
		s.compare(t, kafka, name+".widened", "widened")
		s.rekeyed(t, kafka, name+".rekeyed", rows)
		for _, want := range []string{"is read again", "because its key has changed"} {
			if !strings.Contains(d.Log(), want) {
				t.Errorf("the log does not say %q\n%s", want, d.Log())
			}
		}
	})
}

// rekeyed looks for every row under the key that it has now. What the topic has under the key before stays there: nothing in the log
// says that such keys are gone.
func (s *shelf) rekeyed(t *testing.T, kafka *servers.Kafka, topic string, rows int) {
	t.Helper()
	fold := map[[2]int64]bool{}
	err := harness.EachRecord(t.Context(), kafka.Brokers(), topic, func(r *kgo.Record) {
		var key struct{ ID, V *int64 }
		if err := json.Unmarshal(r.Key, &key); err != nil {
			t.Fatal(err)
		}
		if key.V != nil {
			fold[[2]int64{*key.ID, *key.V}] = r.Value != nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range int64(rows) {
		v := int64(0)
		if id%100 == 0 {
			v = 1
		}
		if !fold[[2]int64{id, v}] || fold[[2]int64{id, 1 - v}] {
			t.Fatalf("%s: key (%d, %d) is there: %v, with the other version: %v", topic, id, v, fold[[2]int64{id, v}], fold[[2]int64{id, 1 - v}])
		}
	}
}

// TestSnapshotRefused meets what a person must mend: tables without key in a compacted topic, tables that the user may not read.
func TestSnapshotRefused(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		name := "refused" + s.schema
		s.table(t, "a", 100)
		s.exec(t, "CREATE TABLE "+s.name("keyless")+" (n int)", "INSERT INTO "+s.name("keyless")+" VALUES (1)")
		config := shelfConfig(kafka, s.pipeline(name, s.name("*"), "{}"))
		d := start(t, config)
		if p := harness.StateFor(t, d, 30*time.Second, "failed"); p.Code != "no_key" || p.Hint == "" {
			t.Errorf("%+v", p)
		}
		harness.StopFor(t, d)
		if exit, problems := validate(t, config); exit != 3 || len(problems) == 0 {
			t.Errorf("validate: exit %d, %+v", exit, problems)
		}
		s.exec(t, "DROP TABLE "+s.name("keyless"))
		for _, grant := range s.poor {
			s.exec(t, grant)
		}
		poor := *s
		poor.source = s.poorSource
		d = start(t, shelfConfig(kafka, poor.pipeline(name+"poor", s.name("a"), "{}")))
		if p := harness.StateFor(t, d, 30*time.Second, "failed"); p.Code != "permission" || !strings.Contains(p.Hint, "SELECT") {
			t.Errorf("%+v", p)
		}
		harness.StopFor(t, d)
	})
}

// TestSnapshotLocksNothing reads a table while others write it, and alter it: no statement waits for the snapshot longer than for
// a chunk, and the server has no older transaction of ours.
func TestSnapshotLocksNothing(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	shelves(t, func(t *testing.T, s *shelf) {
		const rows = 300_000
		name := "locks" + s.schema
		s.table(t, "big", rows)
		d := start(t, shelfConfig(kafka, s.pipeline(name, s.name("*"), "{}")))
		waitSnapshots(t, d, 30*time.Second, 1, "reading")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var oldest, waited, altered time.Duration
		samples := 0
		next := time.Now()
		for n := 0; ; n++ {
			all, err := d.Status(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(all[0].Snapshots) == 1 && all[0].Snapshots[0].Status == "done" {
				break
			}
			began := time.Now()
			s.exec(t, fmt.Sprintf("UPDATE %s SET v = v + 1 WHERE id = %d", s.name("big"), n*997%rows))
			waited = max(waited, time.Since(began))
			if time.Now().After(next) {
				next = time.Now().Add(300 * time.Millisecond)
				age, err := s.oldest(ctx)
				if err != nil {
					t.Fatal(err)
				}
				oldest = max(oldest, age)
				began = time.Now()
				s.exec(t, fmt.Sprintf("ALTER TABLE %s ADD COLUMN c%d int NULL", s.name("big"), n))
				altered = max(altered, time.Since(began))
			}
			samples++
		}
		catchUpAll(t, d, 30*time.Second)
		harness.StopFor(t, d)
		t.Logf("%d samples: an update took up to %v, an ALTER TABLE up to %v, our oldest transaction was %v old", samples, waited, altered, oldest)
		// A lock that is held for a whole snapshot would be seen as seconds; a machine that is busy with other things as less.
		if samples < 3 || oldest > 5*time.Second || waited > 5*time.Second || altered > 10*time.Second {
			t.Errorf("something waits for the snapshot")
		}
		s.compare(t, kafka, name+".big", "big")
	})
}

// TestSnapshotUnreadableRow meets rows that the server itself cannot read: the pipeline says which table it is and what to do.
func TestSnapshotUnreadableRow(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	pg := servers.PostgresFor(t, servers.PostgresOptions{})
	s := shelfOf(t, pg)
	s.table(t, "broken", 5000)
	var directory, path string
	if err := s.db.QueryRowContext(t.Context(), "SELECT current_setting('data_directory'), pg_relation_filepath('broken')").Scan(&directory, &path); err != nil {
		t.Fatal(err)
	}
	s.exec(t, "CHECKPOINT")
	if err := pg.Shutdown(t.Context(), servers.Fast); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(directory, path), os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteAt(bytes.Repeat([]byte{0xaa}, 8192), 5*8192)
		err = errors.Join(err, file.Close())
	}
	if err == nil {
		err = pg.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, shelfConfig(kafka, s.pipeline("unreadable", "public.broken", "{}")))
	p := harness.StateFor(t, d, 90*time.Second, "retrying", "failed")
	if p.Code != "source" || !strings.Contains(p.Error, "public.broken") || !strings.Contains(p.Error, "invalid page") || !strings.Contains(p.Hint, "skip") {
		t.Errorf("%+v", p)
	}
	harness.StopFor(t, d)
}
