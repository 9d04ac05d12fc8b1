package debezium

import (
	"fmt"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestReadSides reads what is written beside the rows, with schemas and without.
func TestReadSides(t *testing.T) {
	for _, schemas := range []bool{false, true} {
		for _, binary := range []string{binaryBytes, binaryURL, binaryHex} {
			cfg := mode(func(c *Config) {
				c.Schemas.SchemasEnable, c.Schemas.KeySchemasEnable, c.BinaryHandlingMode = schemas, schemas, binary
				c.Sides.ProvideTransactionMetadata, c.Sides.IncludeSchemaChanges, c.Sides.IncludeLogicalMessages = true, true, true
				c.Sides.HeartbeatIntervalMs, c.Sides.SkippedOperations = 500, skipNone
			})
			t.Run(fmt.Sprint(binary, schemas), func(t *testing.T) { readSides(t, cfg) })
		}
	}
}

func readSides(t *testing.T, cfg *Config) {
	orders, rows := formatstest.Orders(), formatstest.PostgresOrders()
	enc := cfg.Format(formats.Env{Server: "s", Version: "v"}).(formats.SideWriter).Side(formats.SideOptions{Prefix: "s"})
	txn := &changelog.Txn{ID: "u:23", Commit: 1714979289_123_456, First: true, Last: true, Origin: changelog.Origin{GTID: "u:23", File: "b.3", Pos: 4, XID: 7}}
	for _, c := range []struct {
		about formats.About
		txn   *changelog.Txn
		note  *changelog.Note
		want  string
	}{
		{formats.AboutBegin, txn, nil, "begin u:23"},
		{formats.AboutEnd, txn, nil, "end u:23"},
		{formats.AboutStatement, txn, &changelog.Note{Kind: changelog.DDL, Table: orders, Text: "ALTER TABLE orders\nADD c INT", Database: "shop", File: "b.3", Pos: 4,
			Changed: []changelog.Definition{{Kind: changelog.Altered, Name: "orders", Table: orders}}}, "note 2 at 0: shop||ALTER TABLE orders\nADD c INT"},
		{formats.AboutTruncate, txn, &changelog.Note{Kind: changelog.Truncate, Table: rows}, "note 1 at 0: shop|| public.orders"},
		{formats.AboutMessage, txn, &changelog.Note{Kind: changelog.Message, Prefix: "pfx", Text: "hi é", Transactional: true}, "note 3 at 0: |pfx|hi é"},
		{formats.AboutMessage, nil, &changelog.Note{Kind: changelog.Message, Txn: -1, Prefix: "pfx", Text: ""}, "note 3 at 0: |pfx|"},
		{formats.AboutHeartbeat, nil, &changelog.Note{Kind: changelog.Heartbeat, Txn: -1, Time: 5}, "note 4 at 0: ||"},
	} {
		key, value, ok, err := enc.AppendSide(nil, nil, &formats.Beside{About: c.about, Context: &formats.Context{Txn: c.txn, Now: 1714979289_500_000}, Note: c.note})
		if err != nil || !ok {
			t.Errorf("%s: %v %v", c.want, ok, err)
			continue
		}
		b := new(changelog.Batch)
		if err := cfg.Reader(formats.ReaderOptions{Intern: interner()}).Read(b, &formats.Record{Topic: enc.Topic(c.about), Key: key, Value: value}); err != nil {
			t.Errorf("%s: %v\n%s", c.want, err, value)
			continue
		}
		got := dump(b)
		if len(b.Notes) == 0 && len(b.Txns) == 1 {
			got = map[bool]string{true: "begin ", false: "end "}[b.Txns[0].First && !b.Txns[0].Last] + b.Txns[0].ID
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s\nfrom %s", got, c.want, value)
		}
		if len(b.Notes) == 1 && c.note != nil && b.Notes[0].Transactional != c.note.Transactional {
			t.Errorf("%s: in a transaction %v", c.want, b.Notes[0].Transactional)
		}
		if strings.HasPrefix(c.want, "note 3") && (b.Notes[0].Txn >= 0) != c.note.Transactional {
			t.Errorf("%s: transaction %d", c.want, b.Notes[0].Txn)
		}
	}
}
