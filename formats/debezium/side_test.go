package debezium

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
	"cdcbridge/internal/fault"
)

// TestHashOrder holds the order of tables to what java.util.HashMap printed.
func TestHashOrder(t *testing.T) {
	of := func(names ...string) (counts []changelog.Count) {
		for _, n := range names {
			counts = append(counts, changelog.Count{Table: n})
		}
		return counts
	}
	sevens := func(n int) []changelog.Count {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("shop.t%d", i*7))
		}
		return of(names...)
	}
	for _, tc := range []struct {
		counts []changelog.Count
		want   string
	}{
		{sevens(5), "shop.t0, shop.t21, shop.t14, shop.t28, shop.t7"},
		{sevens(13), "shop.t0, shop.t42, shop.t21, shop.t84, shop.t63, shop.t35, shop.t14, shop.t77, shop.t56, shop.t7, shop.t70, shop.t28, shop.t49"},
		{sevens(30), "shop.t0, shop.t98, shop.t35, shop.t14, shop.t77, shop.t56, shop.t182, shop.t91, shop.t7, shop.t70, shop.t147, shop.t126, shop.t203, shop.t105, " +
			"shop.t28, shop.t161, shop.t140, shop.t49, shop.t189, shop.t168, shop.t42, shop.t21, shop.t84, shop.t63, shop.t119, shop.t196, shop.t175, shop.t154, shop.t133, shop.t112"},
		{of("lab.Aa", "lab.BB", "app.orders", "Other s.é😀"), "app.orders, Other s.é😀, lab.Aa, lab.BB"},
		{nil, ""},
	} {
		var got []string
		for _, i := range hashOrder(tc.counts) {
			got = append(got, tc.counts[i].Table)
		}
		if s := strings.Join(got, ", "); s != tc.want {
			t.Errorf("got  %s\nwant %s", s, tc.want)
		}
	}
}

func sideConfig(edit func(*Config)) *Config {
	c := NewConfig()
	c.Sides.ProvideTransactionMetadata, c.Sides.IncludeSchemaChanges, c.Sides.IncludeLogicalMessages = true, true, true
	c.Sides.HeartbeatIntervalMs, c.Sides.SkippedOperations = 5000, skipNone
	edit(c)
	return c
}

func sideOf(c *Config) formats.SideEncoder {
	return c.Format(formats.Env{Server: "shop1", Version: "1.2.3"}).(formats.SideWriter).Side(formats.SideOptions{Prefix: "shop1"})
}

func TestSideTopics(t *testing.T) {
	if s := sideOf(NewConfig()); s != nil {
		t.Error("something is written beside the rows unasked")
	}
	named := func(c *Config) {
		c.Identity.TopicPrefix, c.Sides.TopicTransaction, c.Sides.TopicHeartbeatPrefix = "dbz", "txn", "beat"
	}
	for _, tc := range []struct {
		edit   func(*Config)
		upsert bool
		want   string
	}{
		{func(*Config) {}, false, "shop1.transaction shop1.transaction shop1 {table's topic} shop1.message __debezium-heartbeat.shop1"},
		{func(*Config) {}, true, "shop1.transaction shop1.transaction shop1  shop1.message __debezium-heartbeat.shop1"},
		{named, true, "dbz.txn dbz.txn dbz  dbz.message beat.dbz"},
		{func(c *Config) { c.Sides = defaultSides(); c.Sides.HeartbeatIntervalMs = 1 }, false, "     __debezium-heartbeat.shop1"},
	} {
		f := sideConfig(tc.edit).Format(formats.Env{Server: "shop1"})
		s := f.(formats.SideWriter).Side(formats.SideOptions{Prefix: "shop1", Upsert: tc.upsert})
		var got []string
		for a := formats.AboutBegin; a <= formats.AboutHeartbeat; a++ {
			got = append(got, s.Topic(a))
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("got %q, want %q", strings.Join(got, " "), tc.want)
		}
	}
	s := sideOf(sideConfig(func(*Config) {}))
	if s.Partition(formats.AboutStatement) != 0 || s.Partition(formats.AboutHeartbeat) != 0 || s.Partition(formats.AboutBegin) != -1 {
		t.Error("partitions are not Debezium's")
	}
	if every := s.(formats.Beater).BeatEvery(); every != 5*time.Second {
		t.Errorf("beats every %v", every)
	}
}

func TestSideOptions(t *testing.T) {
	for name, edit := range map[string]func(*SideConfig){
		"topic_transaction":      func(c *SideConfig) { c.TopicTransaction = "" },
		"topic_heartbeat_prefix": func(c *SideConfig) { c.TopicHeartbeatPrefix = "" },
		"heartbeat_interval_ms":  func(c *SideConfig) { c.HeartbeatIntervalMs = -1 },
		"skipped_operations":     func(c *SideConfig) { c.SkippedOperations = "u" },
	} {
		c := NewConfig()
		edit(&c.Sides)
		if errs := c.Validate(); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), name+": ") {
			t.Errorf("%s: %v", name, errs)
		}
	}
	c := NewConfig()
	c.Sides.ProvideTransactionMetadata = true
	if f := newFormat(c, formats.Env{}); !f.cfg.TransactionMetadata || c.TransactionMetadata {
		t.Error("rows have no transaction block")
	}
}

// sideCase is one record beside the rows.
type sideCase struct {
	name   string
	about  formats.About
	ctx    formats.Context
	note   *changelog.Note
	counts []changelog.Count
}

func (c *sideCase) beside() *formats.Beside {
	return &formats.Beside{About: c.about, Context: &c.ctx, Note: c.note, Counts: c.counts}
}

func sideCases() []sideCase {
	const now, commit = 1714979289456789, 1714979289123456
	orders := &changelog.Table{Origin: "mysql", Database: "shop", Name: "orders", Key: []int{0}, Charset: "utf8mb4", Comment: "all of them", Columns: []changelog.Column{
		{Name: "id", SourceType: "bigint unsigned", Type: changelog.Type{Kind: changelog.KindUint, Bits: 64}, AutoIncrement: true},
		{Name: "amount", SourceType: "decimal(10,2)", Type: changelog.Type{Kind: changelog.KindDecimal, Precision: 10, Scale: 2}, Default: &changelog.Default{Value: changelog.Null(), Text: "0.00"}},
		{Name: "state", SourceType: "enum('new','it''s')", Nullable: true, Type: changelog.Type{Kind: changelog.KindEnum, Labels: []string{"new", "it's"}, Charset: "utf8mb4"}},
		{Name: "na\"me", SourceType: "varchar(32)", Nullable: true, Comment: "whose", Type: changelog.Type{Kind: changelog.KindString, Length: 32, Charset: "latin1"}},
		{Name: "bits", SourceType: "bit(8)", Nullable: true, Type: changelog.Type{Kind: changelog.KindBits, Bits: 8}, Default: &changelog.Default{Text: "b'101'"}},
		{Name: "small", SourceType: "tinyint(1)", Nullable: true, Type: changelog.Type{Kind: changelog.KindInt, Bits: 8}, Default: &changelog.Default{Value: changelog.Null(), Text: "NULL"}},
		{Name: "at", SourceType: "datetime(3)", Nullable: true, Type: changelog.Type{Kind: changelog.KindDateTime, FSP: 3}},
	}}
	orders.Columns[4].Default.Value = changelog.Bits(5)
	orders.Columns[1].Default.Value = changelog.String([]byte("0.00"))
	items := &changelog.Table{Origin: "mariadb", Database: "shop", Name: "items", Key: []int{0}, Columns: orders.Columns[:1]}
	events := &changelog.Table{Origin: postgres, Database: "lab", Schema: "public", Name: "events", Key: []int{0},
		Columns: []changelog.Column{{Name: "id", SourceType: "bigint", Type: changelog.Type{Kind: changelog.KindInt, Bits: 64}}}}
	mysql := formats.Context{Now: now, Txn: &changelog.Txn{ID: "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", Commit: commit,
		Origin: changelog.Origin{File: "binlog.000003", Pos: 4, GTID: "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", ServerID: 101, Thread: 12}}}
	maria := formats.Context{Now: now, Txn: &changelog.Txn{ID: "0-101-23", Commit: commit, Origin: changelog.Origin{GTID: "0-101-23", ServerID: 101}}}
	pg := formats.Context{Now: now, Txn: &changelog.Txn{ID: "1305:54094928", Commit: commit, Origin: changelog.Origin{XID: 1305, Pos: 54094928, LastCommit: 54066952}}}
	statement := func(text string, t *changelog.Table, changed ...changelog.Definition) *changelog.Note {
		return &changelog.Note{Kind: changelog.DDL, Table: t, Text: text, File: "binlog.000003", Pos: 484, Time: commit, Database: "shop", Changed: changed}
	}
	message := &changelog.Note{Kind: changelog.Message, Prefix: "out\"box", Text: "\x00\xffab", Pos: 54094408, Database: "lab", Transactional: true, Time: commit}
	between := *message
	between.Txn, between.Transactional, between.Time, between.Prefix, between.LastCommit = -1, false, 0, "", 54066952
	return []sideCase{
		{"begin", formats.AboutBegin, mysql, nil, nil},
		{"end", formats.AboutEnd, mysql, nil, []changelog.Count{{Table: "shop.orders", Changes: 2}, {Table: "shop.items", Changes: 1 << 40}}},
		{"end of nothing", formats.AboutEnd, pg, nil, nil},
		{"alter", formats.AboutStatement, mysql, statement("ALTER TABLE orders ADD note TEXT", orders, changelog.Definition{Kind: changelog.Altered, Name: "orders", Table: orders}), nil},
		{"create", formats.AboutStatement, maria, statement("CREATE TABLE items (id BIGINT)\n", nil, changelog.Definition{Kind: changelog.Created, Name: "items", Table: items}), nil},
		{"drop", formats.AboutStatement, maria, statement(`DROP TABLE a, "b""c"`, nil, changelog.Definition{Kind: changelog.Dropped, Name: "a"}, changelog.Definition{Kind: changelog.Dropped, Name: `b"c`}), nil},
		{"not known", formats.AboutStatement, mysql, statement("ALTER TABLE orders ADD x INT", nil, changelog.Definition{Kind: changelog.Altered, Name: "orders"}), nil},
		{"index", formats.AboutStatement, mysql, statement("CREATE INDEX i ON orders (amount)", orders), nil},
		{"truncate", formats.AboutTruncate, mysql, &changelog.Note{Kind: changelog.Truncate, Table: orders, Text: "TRUNCATE orders", File: "binlog.000003", Pos: 484}, nil},
		{"truncate on PostgreSQL", formats.AboutTruncate, pg, &changelog.Note{Kind: changelog.Truncate, Table: events, Text: "TRUNCATE TABLE events", Pos: 54067744}, nil},
		{"message", formats.AboutMessage, pg, message, nil},
		{"message between transactions", formats.AboutMessage, formats.Context{Now: now}, &between, nil},
		{"heartbeat", formats.AboutHeartbeat, formats.Context{Now: now}, &changelog.Note{Kind: changelog.Heartbeat, Txn: -1}, nil},
	}
}

// TestGoldenSides pins every kind of record beside the rows, with schemas and without.
func TestGoldenSides(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"plain": func(*Config) {},
		"schemas": func(c *Config) {
			c.Schemas.SchemasEnable, c.Schemas.KeySchemasEnable, c.Schemas.IncludeSchemaComments = true, true, true
			c.Schemas.SchemaNameAdjustmentMode, c.BinaryHandlingMode = adjustUnicode, binaryHex
		},
	} {
		s := sideOf(sideConfig(edit))
		var out []byte
		for _, tc := range sideCases() {
			key, value, ok, err := s.AppendSide([]byte("before"), []byte("before"), tc.beside())
			if err != nil || !ok {
				t.Fatalf("%s: %v %v", tc.name, ok, err)
			}
			out = append(append(append(out, "# "...), tc.name...), '\n')
			if key != nil {
				out = append(append(out, strings.TrimPrefix(string(key), "before")...), '\n')
			}
			out = append(append(out, strings.TrimPrefix(string(value), "before")...), '\n')
			requireJSON(t, key, value)
		}
		formatstest.Golden(t, "sides-"+name+".golden", out)
	}
}

func TestSideConformance(t *testing.T) {
	formatstest.Sides(t, Kind(), sideConfig(func(*Config) {}))
	formatstest.Sides(t, Kind(), sideConfig(func(c *Config) { c.Schemas.SchemasEnable, c.Schemas.KeySchemasEnable = true, true }))
}

func TestSideHeaders(t *testing.T) {
	s := sideOf(sideConfig(func(c *Config) { c.Identity.ExtendedHeadersEnabled = true })).(formats.SideHeaderWriter)
	for _, tc := range sideCases() {
		h := s.SideHeaders(tc.beside())
		if (tc.about == formats.AboutStatement || tc.about == formats.AboutTruncate) != (len(h) == 4) {
			t.Errorf("%s: %v", tc.name, h)
		}
		if tc.name == "drop" && string(h[2].Value) != "mariadb" || tc.name == "not known" && string(h[2].Value) != "mysql" {
			t.Errorf("%s: connector %s", tc.name, h[2].Value)
		}
	}
}

func TestSidesRefuseWhatCannotBe(t *testing.T) {
	s := sideOf(sideConfig(func(c *Config) { c.Schemas.SchemasEnable = true }))
	empty := &changelog.Note{Table: &changelog.Table{Origin: "mysql", Name: "t"}}
	txn := formats.Context{Txn: &changelog.Txn{}}
	for name, tc := range map[string]struct {
		about formats.About
		ctx   formats.Context
		note  *changelog.Note
		code  fault.Code
	}{
		"no transaction":    {formats.AboutBegin, formats.Context{}, nil, fault.Internal},
		"no note":           {formats.AboutStatement, txn, nil, fault.Internal},
		"no message":        {formats.AboutMessage, txn, nil, fault.Internal},
		"nothing":           {0, txn, nil, fault.Internal},
		"a bare truncation": {formats.AboutTruncate, txn, &changelog.Note{}, fault.Internal},
		"an unknown table":  {formats.AboutTruncate, txn, empty, fault.SchemaUnknown},
	} {
		if _, _, ok, err := s.AppendSide(nil, nil, &formats.Beside{About: tc.about, Context: &tc.ctx, Note: tc.note}); ok || !fault.Is(err, tc.code) {
			t.Errorf("%s: %v %v", name, ok, err)
		}
	}
}

func requireJSON(t *testing.T, docs ...[]byte) {
	t.Helper()
	for _, doc := range docs {
		if doc = []byte(strings.TrimPrefix(string(doc), "before")); len(doc) > 0 && !json.Valid(doc) {
			t.Errorf("%s is no document", doc)
		}
	}
}

func TestDefaultText(t *testing.T) {
	for _, c := range []struct{ typ, origin, catalogue, want string }{
		{"varchar(5)", "mysql", "x", "x"}, {"varchar(5)", "mysql", "'x'", "'x'"}, {"varchar(5)", "mariadb", "'x'", "x"}, {"varchar(5)", "mariadb", "''", ""},
		{"varchar(5)", "mariadb", `'it''s \\ \n'`, "it's \\ \n"}, {"int", "mariadb", "7", "7"}, {"bit(8)", "mysql", "b'101'", "101"}, {"bit(8)", "mariadb", "b'101'", "101"},
		{"timestamp", "mariadb", "current_timestamp()", "current_timestamp()"},
	} {
		got := defaultText(&changelog.Column{SourceType: c.typ, Default: &changelog.Default{Text: c.catalogue}}, c.origin == "mariadb")
		if got != c.want {
			t.Errorf("%s of %s: the default %s is written as %q", c.typ, c.origin, c.catalogue, got)
		}
	}
}
