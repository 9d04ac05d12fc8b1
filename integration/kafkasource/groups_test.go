package kafkasource

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
)

// offsets gives what a group has committed of a topic.
func (e *env) offsets(t *testing.T, group, topic string) map[int32]int64 {
	t.Helper()
	got, err := e.adm.FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	m := map[int32]int64{}
	for p, o := range got[topic] {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		m[p] = o.At
	}
	return m
}

// noLag waits until tools that look at the group see that nothing is left to read.
func (e *env) noLag(t *testing.T, group, topic string) {
	t.Helper()
	eventually(t, func() error {
		got, ends := e.offsets(t, group, topic), e.ends(t, topic)
		for p, end := range ends {
			if got[p] != end {
				return fmt.Errorf("group %s is at %v of %s, which ends at %v", group, got, topic, ends)
			}
		}
		return nil
	})
}

// TestGroupOffsets commits offsets for those who look at a group's lag: in the transaction on the cluster that is written to, beside it
// on another one, or not at all.
func TestGroupOffsets(t *testing.T) {
	for _, p := range protocols {
		t.Run("SameCluster"+p.name, func(t *testing.T) {
			t.Parallel()
			groupOffsets(t, p.on.get(t), p.on.get(t), "")
		})
	}
	t.Run("OtherCluster", func(t *testing.T) {
		t.Parallel()
		groupOffsets(t, classic.get(t), modern.get(t), "")
	})
	t.Run("NameOfItsOwn", func(t *testing.T) {
		t.Parallel()
		groupOffsets(t, modern.get(t), modern.get(t), "lag.of.orders")
	})
	t.Run("Off", func(t *testing.T) {
		t.Parallel()
		e := modern.get(t)
		s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
		b := e.reads(t, debezium, ", commit_offsets: false", s.topic)
		d := b.running(t)
		s.write(t, table.fill(0, 10)...)
		b.holds(t, table.table(), s)
		harness.StopFor(t, d)
		if got := e.offsets(t, "cdcbridge-"+b.name, s.topic); len(got) > 0 {
			t.Errorf("offsets were committed: %v", got)
		}
	})
}

func groupOffsets(t *testing.T, from, to *env, group string) {
	s, table := from.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
	b := to.reads(t, debezium, elsewhere(from), s.topic)
	if group != "" {
		b.source += ", group: " + group
	} else {
		group = "cdcbridge-" + b.name
	}
	d := b.running(t)
	s.write(t, table.fill(0, 10)...)
	b.holds(t, table.table(), s)
	from.noLag(t, group, s.topic)
	from.writer(t, unique(t)).begin(t, s, table.fill(10, 20)...)(true) // ends with a marker, which is no record
	b.holds(t, table.table(), s)
	from.noLag(t, group, s.topic)
	d.Kill()
	b.running(t)
	s.write(t, table.fill(20, 30)...)
	b.holds(t, table.table(), s)
	from.noLag(t, group, s.topic)

	// Another pipeline goes on from there.
	next := to.reads(t, debezium, elsewhere(from)+", group: "+group+"-next, start: {from: committed}", s.topic)
	next.name += "-next"
	from.commit(t, group+"-next", s.topic, from.offsets(t, group, s.topic))
	before := len(s.changes)
	last := table.fill(30, 40)
	next.running(t)
	s.write(t, last...)
	positions := append(s.from(0, ends(s, 0)-5), s.from(1, ends(s, 1)-5)...)
	if len(s.changes) != before+10 || len(positions) != 10 {
		t.Fatalf("%d changes, %d of them last", len(s.changes), len(positions))
	}
	next.got(t, positions...)
}

// ends is the offset after the last change of a partition.
func ends(s *source, partition int32) int64 {
	all := s.from(partition, 0)
	p, _ := placeOf(all[len(all)-1])
	return p.offset + 1
}

// consumer is a living member of a group, with more options one of those that the broker balances.
func (e *env) consumer(t *testing.T, group, topic string, more ...kgo.Opt) (leave func()) {
	t.Helper()
	cl, err := kgo.NewClient(append(more, kgo.SeedBrokers(e.brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.MetadataMinAge(100*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	left := false
	leave = func() {
		if !left {
			left = true
			cl.LeaveGroup()
			cl.Close()
		}
	}
	t.Cleanup(leave)
	go func() {
		for {
			if cl.PollFetches(context.Background()).IsClientClosed() {
				return
			}
		}
	}()
	eventually(t, func() error {
		kind := "classic"
		if len(more) > 0 {
			kind = "consumer"
		}
		groups, err := e.adm.ListGroupsByType(t.Context(), []string{kind})
		if err != nil {
			return err
		}
		if state := groups[group].State; state != "Stable" {
			return fmt.Errorf("group %s is %s", group, state)
		}
		return nil
	})
	return leave
}

// TestGroupInUse finds a living consumer of the group's name, when it starts and when that one comes later. With the offsets it commits
// the consumer could lose records, and without them the pipeline's lag would be a lie.
func TestGroupInUse(t *testing.T) {
	for _, c := range []struct {
		name   string
		on     *stand
		member []kgo.Opt
	}{
		{"KIP890", &modern, nil},
		{"Classic", &classic, nil},
		{"KIP848", &modern, []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())}}, // groups that the broker balances
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := c.on.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 2), newShop(debezium, 1, 2)
			s.write(t, table.fill(0, 10)...)
			b := e.reads(t, debezium, "", s.topic)
			leave := e.consumer(t, "cdcbridge-"+b.name, s.topic, c.member...)
			d := b.fails(t, "group_in_use", "cdcbridge-"+b.name)
			d.Kill()
			b.got(t)

			elsewhere := b
			elsewhere.source += ", commit_offsets: false"
			d = elsewhere.running(t)
			elsewhere.holds(t, table.table(), s)
			d.Kill()

			leave()
			d = b.running(t)
			s.write(t, table.fill(10, 20)...)
			b.holds(t, table.table(), s)
			e.noLag(t, "cdcbridge-"+b.name, s.topic)
			leave = e.consumer(t, "cdcbridge-"+b.name, s.topic, c.member...)
			s.write(t, table.fill(20, 30)...)
			gaveUp(t, d, "group_in_use", "cdcbridge-"+b.name)
			d.Kill()
			leave()
			b.running(t)
			b.holds(t, table.table(), s)
		})
	}
}
