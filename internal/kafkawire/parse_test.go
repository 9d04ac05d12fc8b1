package kafkawire

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"testing"

	"cdcbridge/internal/fault"
)

// answers builds one right answer for each parser; each names the parser that takes it.
func answers() map[string]func(*encoder) {
	all := map[string]func(*encoder){
		"ApiVersions": func(e *encoder) {
			e.int16(0)
			e.array(1)
			e.int16(22)
			e.int16(0)
			e.int16(5)
			e.tags()
			e.int32(0)
			e.buf = append(e.buf, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 9) // two tags: the epoch,
			e.buf = append(e.buf, 2, 26, 2)                        // and one finalized feature
			e.string("transaction.version")
			e.int16(2)
			e.int16(0)
			e.tags()
		},
		"Metadata": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.int32(1)
			e.string("host")
			e.int32(9092)
			e.optional("")
			e.tags()
			e.string("cluster")
			e.int32(1)
			e.array(1)
			e.int16(0)
			e.string("t")
			e.uuid(TopicID{1})
			e.bool(false)
			e.array(1)
			e.int16(0)
			e.int32(0)
			e.int32(1)
			e.int32(4)
			for range 3 {
				e.array(1)
				e.int32(1)
			}
			e.tags()
			e.int32(int32(MayRead))
			e.tags()
			e.tags()
		},
		"FindCoordinator": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("txn")
			e.int32(3)
			e.string("host")
			e.int32(9092)
			e.int16(0)
			e.optional("")
			e.tags()
			e.tags()
		},
		"InitProducerID": func(e *encoder) { e.int32(0); e.int16(0); e.int64(9); e.int16(4); e.tags() },
		"EndTxn":         func(e *encoder) { e.int32(0); e.int16(0); e.int64(9); e.int16(5); e.tags() },
		"AddPartitions": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("t")
			e.array(2)
			for i := range int32(2) {
				e.int32(i)
				e.int16(int16(i) * 51)
				e.tags()
			}
			e.tags()
			e.tags()
		},
		"Describe": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.int16(0)
			e.string("txn")
			e.string("Ongoing")
			e.int32(1000)
			e.int64(5)
			e.int64(9)
			e.int16(4)
			e.array(1)
			e.string("t")
			e.array(1)
			e.int32(0)
			e.tags()
			e.tags()
			e.tags()
		},
		"Produce": func(e *encoder) { e.buf = append(e.buf, produceAnswer(OK)[1:]...) },
		"ListOffsets": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("t")
			e.array(1)
			e.int32(0)
			e.int16(0)
			e.int64(-1)
			e.int64(77)
			e.int32(3)
			e.tags()
			e.tags()
			e.tags()
		},
		"DescribeProducers": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("t")
			e.array(2)
			for i := range int32(2) {
				e.int32(i)
				e.int16(0)
				e.optional("")
				e.array(2)
				for id := range int64(2) {
					e.int64(9 - id)
					e.int32(4)
					e.int32(0)
					e.int64(1)
					e.int32(3)
					e.int64(7 - 8*int64(i)*(1-id)) // producer 9 has an open transaction in partition 0, producer 8 everywhere
					e.tags()
				}
				e.tags()
			}
			e.tags()
			e.tags()
		},
		"WriteTxnMarkers": func(e *encoder) {
			e.array(1)
			e.int64(9)
			e.array(1)
			e.string("t")
			e.array(1)
			e.int32(1)
			e.int16(int16(NotEnoughReplicas))
			for range 4 {
				e.tags()
			}
		},
		"Fetch": func(e *encoder) {
			e.int32(0)
			e.int16(0)
			e.int32(0)
			e.array(1)
			e.uuid(TopicID{7})
			e.array(1)
			e.int32(0)
			e.int16(0)
			e.int64(10)
			e.int64(9)
			e.int64(0)
			e.array(1)
			e.int64(4)
			e.int64(2)
			e.tags()
			e.int32(-1)
			e.bytes([]byte("records"))
			e.buf = append(e.buf, 1, 0, 13, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 8, 0) // the tag of what diverges
			e.tags()
			e.tags()
		},
		"CreateTopics": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.string("t")
			e.uuid(TopicID{7})
			e.int16(0)
			e.optional("")
			e.int32(3)
			e.int16(1)
			e.array(1)
			e.string("cleanup.policy")
			e.string("compact")
			e.bool(false)
			e.int8(1)
			e.bool(false)
			e.tags()
			e.tags()
			e.tags()
		},
		"DescribeConfigs": func(e *encoder) {
			e.int32(0)
			e.array(1)
			e.int16(0)
			e.optional("")
			e.int8(2)
			e.string("t")
			e.array(1)
			e.string("cleanup.policy")
			e.string("compact")
			e.bool(false)
			e.int8(1)
			e.bool(false)
			e.array(0)
			e.int8(7)
			e.optional("")
			e.tags()
			e.tags()
			e.tags()
		},
	}
	maps.Copy(all, groupAnswers())
	return all
}

// parseAs runs one parser and returns whether its answer is the one of answers, and its error.
func parseAs(name string, r *reader) (right bool, err error) {
	parts := []TopicPartition{{Topic: "t"}, {Topic: "t", Partition: 1}}
	switch name {
	case "ApiVersions":
		api, code, err := parseAPIVersions(r)
		return code == OK && api.ranges[22] == versionRange{0, 5} && api.features == Features{TransactionVersion: 2, Epoch: 9}, err
	case "Metadata":
		m, err := parseMetadata(r)
		if err != nil || len(m.Brokers) != 1 || len(m.Topics) != 1 {
			return false, err
		}
		leader, epoch, code := m.Leader(parts[0])
		return leader == 1 && epoch == 4 && code == OK && m.Topics[0].ID == TopicID{1} && m.Topics[0].Rights == MayRead && m.ClusterID == "cluster" && m.Brokers[0] == Broker{ID: 1, Host: "host", Port: 9092}, nil
	case "FindCoordinator":
		broker, code, err := parseCoordinator(r)
		return broker == 3 && code == OK, err
	case "InitProducerID":
		pid, code, err := parseInitProducerID(r)
		return pid == ProducerID{9, 4} && code == OK, err
	case "EndTxn":
		pid, code, err := parseEndTxn(r, 5)
		return pid == ProducerID{9, 5} && code == OK, err
	case "AddPartitions":
		codes := make([]Code, 2)
		code, err := parseAddPartitions(r, parts, codes)
		return code == ConcurrentTransactions && slices.Equal(codes, []Code{OK, ConcurrentTransactions}), err
	case "Describe":
		s, code, err := parseDescribeTransaction(r)
		return code == OK && s.State == "Ongoing" && s.Producer == ProducerID{9, 4} && !s.Settled() && s.Started.UnixMilli() == 5, err
	case "Produce":
		res, err := parseProduce(r, []ProducePart{{Topic: "t"}, {Topic: "u"}})
		return res[0] == ProduceResult{BaseOffset: 42, FirstRecord: -1} && res[1].Code == UnknownServerError, err
	case "ListOffsets":
		a := []OffsetAnswer{{TopicPartition: parts[1]}, {TopicPartition: parts[0]}}
		codes, err := parseListOffsets(r, a, []led{{index: 1}, {index: 0}})
		return codes[0] == OK && codes[1] == UnknownServerError && a[1].Offset == 77 && a[1].LeaderEpoch == 3, err
	case "DescribeProducers":
		codes, open, err := parseDescribeProducers(r, parts, []int64{9, 7})
		return slices.Equal(codes, []Code{OK, OK}) && slices.Equal(open, []LeftOpen{{parts[0], ProducerID{9, 4}, 3}}), err
	case "WriteTxnMarkers":
		codes, err := parseWriteMarkers(r, []LeftOpen{{TopicPartition: parts[1], Producer: ProducerID{9, 4}}, {TopicPartition: parts[0], Producer: ProducerID{8, 4}}})
		return slices.Equal(codes, []Code{NotEnoughReplicas, UnknownServerError}), err
	case "Fetch":
		f, code, err := parseFetch(r, []FetchPart{{TopicPartition: parts[0], ID: TopicID{7}}})
		return code == OK && f[0].LastStable == 9 && f[0].DivergedAt == 8 && bytes.Equal(f[0].Records, []byte("records")) && slices.Equal(f[0].Aborted, []AbortedTxn{{4, 2}}), err
	case "CreateTopics":
		c, err := parseCreateTopics(r, []NewTopic{{Name: "t"}})
		return reflect.DeepEqual(c[0], CreatedTopic{Name: "t", ID: TopicID{7}, Partitions: 3, Replication: 1, Values: map[string]string{"cleanup.policy": "compact"}}), err
	case "DescribeConfigs":
		s, err := parseDescribeConfigs(r, []string{"t"})
		return s[0].Code == OK && s[0].Values["cleanup.policy"] == "compact", err
	default:
		return parseGroupAs(name, r)
	}
}

// TestParsers reads each right answer, and each of its beginnings without harm.
func TestParsers(t *testing.T) {
	for name, build := range answers() {
		e := &encoder{flex: true}
		build(e)
		r := &reader{b: e.buf, flex: e.flex}
		if right, err := parseAs(name, r); err != nil || !right || len(r.b) != 0 {
			t.Errorf("%s: %v, %v, %d bytes left", name, right, err, len(r.b))
		}
		for n := range len(e.buf) {
			if _, err := parseAs(name, &reader{b: e.buf[:n:n], flex: e.flex}); !fault.Is(err, fault.Kafka) {
				t.Errorf("%s cut at %d of %d: %v", name, n, len(e.buf), err)
			}
		}
	}
}

func FuzzParsers(f *testing.F) {
	var names []string
	all := answers()
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		e := &encoder{flex: true}
		all[name](e)
		f.Add(uint8(i), e.buf, true)
		f.Add(uint8(i), e.buf, false)
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte, flex bool) {
		if _, err := parseAs(names[int(which)%len(names)], &reader{b: data, flex: flex}); err != nil && !fault.Is(err, fault.Kafka) {
			t.Fatal(err)
		}
	})
}

// TestSmallestFetch reads an answer without aborted transactions and records, as every idle poll gets.
func TestSmallestFetch(t *testing.T) {
	e := &encoder{flex: true}
	e.int32(0)
	e.int16(0)
	e.int32(0)
	e.array(1)
	e.uuid(TopicID{7})
	e.array(1)
	e.int32(0)
	e.int16(0)
	e.int64(5)
	e.int64(5)
	e.int64(0)
	e.nullArray()
	e.int32(-1)
	e.nullArray()
	for range 3 {
		e.tags()
	}
	f, code, err := parseFetch(&reader{b: e.buf, flex: true}, []FetchPart{{TopicPartition: TopicPartition{Topic: "t"}, ID: TopicID{7}}})
	if err != nil || code != OK || f[0].Code != OK || f[0].HighWatermark != 5 || f[0].Records != nil || f[0].DivergedAt != -1 {
		t.Fatalf("%v %v %+v", err, code, f)
	}
}

// TestClassicAnswers reads the two answers of versions without compact forms.
func TestClassicAnswers(t *testing.T) {
	e := &encoder{}
	e.array(1)
	e.string("t")
	e.array(1)
	e.int32(0)
	e.int16(87)
	e.int64(-1)
	e.int64(-1)
	e.int64(0)
	e.array(1)
	e.int32(5)
	e.string("no key")
	e.string("invalid record")
	e.int32(0)
	res, err := parseProduce(&reader{b: e.buf}, []ProducePart{{Topic: "t"}})
	if err != nil || res[0] != (ProduceResult{Code: InvalidRecord, BaseOffset: -1, FirstRecord: 5, Message: "invalid record"}) {
		t.Fatalf("%v %+v", err, res)
	}
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		codes []Code
		want  Code
	}{
		{nil, OK}, {[]Code{OK, OK}, OK}, {[]Code{OperationNotAttempted, NotCoordinator, InvalidTopic}, NotCoordinator}, {[]Code{OK, OperationNotAttempted}, OperationNotAttempted},
	} {
		if got := summary(c.codes); got != c.want {
			t.Errorf("%v: %v, want %v", c.codes, got, c.want)
		}
	}
}
