package debezium

import (
	"fmt"
	"strconv"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// side writes what Debezium's connectors write beside the rows:
//
//	<prefix>.transaction            where a transaction begins and ends
//	<prefix>                        statements that change definitions (side_statement.go)
//	<prefix>.message                logical messages (side_message.go)
//	__debezium-heartbeat.<prefix>   that the pipeline lives
//	the table's topic               truncations (side_message.go)
type side struct {
	f       *format
	topics  map[formats.About]string
	content column // of a logical message

	transactionKey, transactionValue wrapping
	heartbeatKey, heartbeatValue     wrapping
	messageKey, messageValue         wrapping
}

var (
	_ formats.SideWriter       = (*format)(nil)
	_ formats.SideEncoder      = (*side)(nil)
	_ formats.SideHeaderWriter = (*side)(nil)
	_ formats.StatementWriter  = (*side)(nil)
	_ formats.Beater           = (*side)(nil)
)

// Side implements formats.SideWriter.
func (f *format) Side(o formats.SideOptions) formats.SideEncoder {
	c := &f.cfg.Sides
	prefix := orElse(f.cfg.Identity.TopicPrefix, o.Prefix)
	topics := map[formats.About]string{}
	if c.ProvideTransactionMetadata {
		topics[formats.AboutBegin] = prefix + "." + c.TopicTransaction
		topics[formats.AboutEnd] = topics[formats.AboutBegin]
	}
	if c.IncludeSchemaChanges {
		topics[formats.AboutStatement] = prefix
	}
	if c.IncludeLogicalMessages {
		topics[formats.AboutMessage] = prefix + ".message"
	}
	if c.HeartbeatIntervalMs > 0 {
		topics[formats.AboutHeartbeat] = c.TopicHeartbeatPrefix + "." + prefix
	}
	if c.SkippedOperations == skipNone && !o.Upsert {
		topics[formats.AboutTruncate] = formats.TableTopic
	}
	if len(topics) == 0 {
		return nil
	}
	s := &side{f: f, topics: topics}
	k := compiler{cfg: &f.cfg, origin: postgres, placeholder: f.placeholder}
	// It cannot fail: bytes have a form in every mode.
	_ = k.column(&s.content, &changelog.Column{Type: changelog.Type{Kind: changelog.KindBytes}, SourceType: "bytea"})
	s.compileSchemas()
	return s
}

// Topic implements formats.SideEncoder.
func (s *side) Topic(a formats.About) string { return s.topics[a] }

// Partition implements formats.SideEncoder: statements have one order, whatever database they are about.
func (s *side) Partition(a formats.About) int32 {
	switch a {
	case formats.AboutStatement, formats.AboutHeartbeat:
		return 0
	}
	return -1
}

// OneForStatement implements formats.StatementWriter.
func (s *side) OneForStatement() {}

// BeatEvery implements formats.Beater.
func (s *side) BeatEvery() time.Duration {
	return time.Duration(s.f.cfg.Sides.HeartbeatIntervalMs) * time.Millisecond
}

// SideHeaders implements formats.SideHeaderWriter: Debezium has them on statements and truncations alone.
func (s *side) SideHeaders(b *formats.Beside) []formats.Header {
	if b.About != formats.AboutStatement && b.About != formats.AboutTruncate {
		return nil
	}
	return s.f.headers(&changelog.Table{Origin: originOf(b.Context, b.Note)})
}

// AppendSide implements formats.SideEncoder.
func (s *side) AppendSide(key, value []byte, b *formats.Beside) (k, v []byte, ok bool, err error) {
	if err := s.check(b); err != nil {
		return nil, nil, false, err
	}
	c, n := b.Context, b.Note
	switch b.About {
	case formats.AboutBegin, formats.AboutEnd:
		k, v = s.appendTransaction(key, value, b)
	case formats.AboutStatement:
		k, v, err = s.appendStatement(key, value, c, n)
	case formats.AboutTruncate:
		v, err = s.appendTruncate(value, c, n)
	case formats.AboutMessage:
		k, v, err = s.appendMessage(key, value, c, n)
	case formats.AboutHeartbeat:
		k, v = s.appendHeartbeat(key, value, c)
	default:
		err = sideFault(fmt.Errorf("it is about %d", b.About))
	}
	return k, v, err == nil, err
}

// check makes sure of what the writers of each kind rely on.
func (s *side) check(b *formats.Beside) error {
	c, n := b.Context, b.Note
	switch b.About {
	case formats.AboutBegin, formats.AboutEnd:
		if c.Txn == nil {
			return sideFault(fmt.Errorf("a transaction begins or ends and is not there"))
		}
	case formats.AboutStatement, formats.AboutTruncate:
		if n == nil || c.Txn == nil {
			return sideFault(fmt.Errorf("a statement belongs to no transaction"))
		}
		if b.About == formats.AboutTruncate && n.Table == nil {
			return sideFault(fmt.Errorf("a truncation is about no table"))
		}
	case formats.AboutMessage:
		if n == nil {
			return sideFault(fmt.Errorf("a message is not there"))
		}
	}
	return nil
}

func sideFault(err error) error {
	return fault.NewFinal(fault.Internal, "encoding a record beside the rows as debezium-json", err, "Report this with the log position.")
}

// appendTransaction writes {"status","id","event_count","data_collections","ts_ms"}. The order of the tables is that of the
// hash table from which Debezium takes them.
func (s *side) appendTransaction(key, value []byte, b *formats.Beside) (k, v []byte) {
	txn, counts := b.Context.Txn, b.Counts
	k = append(s.transactionKey.open(key), `{"id":"`...)
	k = s.transactionKey.close(append(jsonx.AppendEscapedText(k, txn.ID), `"}`...))
	v = append(s.transactionValue.open(value), `{"status":"`...)
	if b.About == formats.AboutBegin {
		v = append(v, `BEGIN","id":"`...)
		v = append(jsonx.AppendEscapedText(v, txn.ID), `","event_count":null,"data_collections":null`...)
	} else {
		v = append(v, `END","id":"`...)
		v = append(jsonx.AppendEscapedText(v, txn.ID), `","event_count":`...)
		total := uint64(0)
		for i := range counts {
			total += counts[i].Changes
		}
		v = append(strconv.AppendUint(v, total, 10), `,"data_collections":[`...)
		for i, at := range hashOrder(counts) {
			if i > 0 {
				v = append(v, ',')
			}
			v = append(v, `{"data_collection":"`...)
			v = append(jsonx.AppendEscapedText(v, counts[at].Table), `","event_count":`...)
			v = append(strconv.AppendUint(v, counts[at].Changes, 10), '}')
		}
		v = append(v, ']')
	}
	v = append(v, `,"ts_ms":`...)
	return k, s.transactionValue.close(append(strconv.AppendInt(v, floorDiv(txn.Commit, 1000), 10), '}'))
}

func (s *side) appendHeartbeat(key, value []byte, c *formats.Context) (k, v []byte) {
	k = append(s.heartbeatKey.open(key), `{"serverName":"`...)
	k = s.heartbeatKey.close(append(jsonx.AppendEscapedText(k, s.f.env.Server), `"}`...))
	v = append(s.heartbeatValue.open(value), `{"ts_ms":`...)
	return k, s.heartbeatValue.close(append(strconv.AppendInt(v, floorDiv(c.Now, 1000), 10), '}'))
}
