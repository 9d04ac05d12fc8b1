package mysql

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// newShape prepares the decoder of a TABLE_MAP that describes itself.
func newShape(m tableMap, facts []columnFacts) (*shape, error) {
	l, err := m.parseLayout()
	if err != nil {
		return nil, err
	}
	if l.meta.names == nil {
		return nil, schemaFault(tableName{string(m.Schema), string(m.Name)}, logPlace{}, "this test knows nothing")
	}
	return l.shape(tableName{string(m.Schema), string(m.Name)}, facts)
}

func testHistory() *history {
	h := emptyHistory()
	h.captures = func(database, _ string) bool { return database == "shop" }
	h.inside = func(database string) bool { return database == "shop" }
	h.ids = testReader().collations
	return h
}

// TestRecords: what a transaction changes is in the checkpoint that covers it, and what was written is read again.
func TestRecords(t *testing.T) {
	h := testHistory()
	orders := ordersTable()
	orders.Name = schema.Name{Database: "shop", Table: "t"}
	if err := h.put(orders); err != nil {
		t.Fatal(err)
	}
	if got := h.take(false); got != nil {
		t.Errorf("a checkpoint before the transaction's end has %v", got)
	}
	h.settle()
	first := h.take(false)
	if len(first) != 1 || first[0].Key != "mysql/schema/shop.t" || h.take(true) != nil {
		t.Fatalf("%v", first)
	}
	if err := h.put(orders); err != nil || h.take(true) != nil {
		t.Error("the same record is written again")
	}
	again := testHistory()
	again.cat.PutDatabase("shop", "latin1_bin")
	again.sequences[schema.Name{Database: "shop", Table: "s"}] = true
	if err := errors.Join(again.save(schema.Name{Database: "shop", Table: "s"}), again.saveDatabase("shop")); err != nil {
		t.Fatal(err)
	}
	for _, e := range append(first, again.take(true)...) {
		if err := h.load(e); err != nil {
			t.Fatal(err)
		}
		if err := again.load(e); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(*again.table(tableName{"shop", "t"})) != fmt.Sprint(*orders) || !h.sequences[schema.Name{Database: "shop", Table: "s"}] || len(h.kept) != 3 {
		t.Errorf("%+v", again)
	}
	if err := again.forget(orders.Name); err != nil {
		t.Fatal(err)
	}
	if got := again.take(true); len(got) != 1 || got[0].Key != "mysql/schema/shop.t" || got[0].Value != nil {
		t.Errorf("%v", got)
	}
	for value, want := range map[string]fault.Code{
		`{"v":9,"min_reader":2,"table":7}`: fault.StateNewer, `{"v":9,"min_reader":1}`: fault.Decode, `{"v":1,"table":{}}`: fault.Decode, "x": fault.Decode, "null": fault.Decode,
	} {
		if err := h.load(changelog.State{Key: "mysql/schema/shop.x", Value: []byte(value)}); !fault.Is(err, want) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", value, err)
		}
	}
	if h.owns(changelog.State{Key: "snapshot/shop.x", Value: []byte("x")}) || !h.owns(changelog.State{Key: "mysql/database/x", Value: []byte("x")}) {
		t.Error("the history's records are mistaken")
	}
}

// TestStatementsThatCannotBeRead: of a table that such a statement names nothing is known any more, and the checkpoint says so.
func TestStatementsThatCannotBeRead(t *testing.T) {
	h := testHistory()
	for _, name := range []string{"t", "u"} {
		table := ordersTable()
		table.Name = schema.Name{Database: "shop", Table: name}
		if err := h.put(table); err != nil {
			t.Fatal(err)
		}
	}
	h.take(true)
	const sql = "ALTER TABLE t FROBNICATE COLUMN a"
	st := classify(sql, "shop", 0)
	changed, err := h.apply(&st, sql, schema.Session{Database: "shop"})
	if _, why, err := h.shape(tableName{"shop", "u"}, tableLayout{}); err != nil || !strings.Contains(why, "17 are known") {
		t.Errorf("%q %v", why, err)
	}
	delete(h.ids, "latin1_swedish_ci")
	if _, why, err := h.shape(tableName{"shop", "u"}, tableLayout{}); err != nil || !strings.Contains(why, "latin1_swedish_ci") {
		t.Errorf("%q %v", why, err)
	}
	if err != nil || len(changed) != 1 || changed[0].Table != "t" || h.table(tableName{"shop", "t"}) != nil || h.table(tableName{"shop", "u"}) == nil {
		t.Fatalf("%v %v", changed, err)
	}
	if got := h.take(true); len(got) != 1 || got[0].Key != "mysql/schema/shop.t" || got[0].Value != nil {
		t.Errorf("%v", got)
	}
}

func TestContradictions(t *testing.T) {
	h := testHistory()
	base, _, err := layoutOf(ordersTable(), h.ids, false)
	if err != nil {
		t.Fatal(err)
	}
	minimal := func() tableLayout {
		l, _, _ := layoutOf(ordersTable(), h.ids, false)
		l.meta.names, l.meta.labels = nil, nil
		return l
	}
	if why := base.contradicts(minimal()); why != "" {
		t.Error(why)
	}
	bare := minimal()
	bare.meta = tableMetadata{}
	bare.columns[7].typ = typeDate
	if why := base.contradicts(bare); why != "" {
		t.Error(why)
	}
	for want, change := range map[string]func(*tableLayout){
		"15 columns":   func(l *tableLayout) { l.columns = l.columns[:15] },
		`"n" has`:      func(l *tableLayout) { l.columns[1].typ = typeLongLong },
		`"total" has`:  func(l *tableLayout) { l.columns[4].meta++ },
		`"at" may be`:  func(l *tableLayout) { l.columns[8].nullable = false },
		`"n" is uns`:   func(l *tableLayout) { l.meta.unsigned[1] = false },
		`"status" has`: func(l *tableLayout) { l.meta.collations[2] = 46 },
	} {
		l := minimal()
		change(&l)
		if why := base.contradicts(l); !strings.Contains(why, want) {
			t.Errorf("%s: %q", want, why)
		}
	}
}

// TestShadows judges swaps.
func TestShadows(t *testing.T) {
	src := newSource(NewConfig().(*Config), capture.Env{})
	src.facts = &serverFacts{vars: map[string]string{"lower_case_table_names": "0"}}
	h := testHistory()
	src.history = h
	s := &stream{src: src}
	var err error
	if h.shadows, err = capture.NewFilter(src.cfg.ShadowTables, nil); err != nil {
		t.Fatal(err)
	}
	named := func(name string) *schema.Table {
		c := *ordersTable()
		c.Name = schema.Name{Database: "shop", Table: name}
		c.Columns = append([]schema.Column(nil), c.Columns...)
		return &c
	}
	h.cat.Put(named("orders"))
	shadow := named("_orders_gho")
	shadow.Columns = append(shadow.Columns[1:], schema.Column{Name: "more", DataType: "int", ColumnType: "int", Nullable: true})
	h.cat.Put(shadow)
	lost := func(sql string) string {
		st := classify(sql, "shop", 0)
		return joinNames(s.loses(st, st.tables))
	}
	const swap = "RENAME TABLE orders TO _orders_del, _orders_gho TO orders"
	if got := lost(swap); got != "shop.orders, shop.orders" {
		t.Errorf("a shadow of which nothing is known: %s", got)
	}
	h.follow(classify("CREATE TABLE _orders_gho LIKE orders", "shop", 0), []schema.Name{shadow.Name})
	h.follow(classify("ALTER TABLE _orders_gho ADD more INT NULL", "shop", 0), []schema.Name{shadow.Name})
	for sql, want := range map[string]string{
		swap: "", "RENAME TABLE `shop`.`orders` TO `shop`.`_orders_old`, `shop`.`_orders_gho` TO `shop`.`orders`": "", "DROP TABLE _orders_old": "",
		"RENAME TABLE orders TO _orders_del": "shop.orders", "RENAME TABLE _orders_gho TO orders": "shop.orders", "RENAME TABLE orders TO x, _orders_gho TO orders": "shop.orders, shop.x, shop.orders",
	} {
		if got := lost(sql); got != want {
			t.Errorf("%s: %s", sql, got)
		}
	}
	h.follow(classify("ALTER TABLE _orders_gho MODIFY n BIGINT", "shop", 0), []schema.Name{shadow.Name})
	if got := lost(swap); got == "" {
		t.Error("a shadow with other values")
	}
	h.copies[shadow.Name] = true
	shadow.Columns[0].DataType = "text"
	if got := lost(swap); got == "" {
		t.Error("a shadow with another type")
	}
}

func TestOldNamesOfCollations(t *testing.T) {
	h := emptyHistory()
	h.ids = map[string]uint32{"utf8mb3_bin": 83, "latin1_bin": 47}
	h.server.Collations = map[string]string{"utf8mb3_bin": "utf8mb3", "latin1_bin": "latin1"}
	if h.alias(); h.ids["utf8_bin"] != 83 || len(h.ids) != 3 {
		t.Error(h.ids)
	}
	h.ids = map[string]uint32{"utf8_general_ci": 33}
	h.server.Collations = map[string]string{"utf8_general_ci": "utf8"}
	if h.alias(); h.ids["utf8mb3_general_ci"] != 33 || len(h.ids) != 2 {
		t.Error(h.ids)
	}
}

// TestRetypes tells columns that are defined anew and keep their values from those that do not.
func TestRetypes(t *testing.T) {
	for clauses, want := range map[string]bool{
		"MODIFY i BIGINT": false, "MODIFY COLUMN i BIGINT NOT NULL": true, "MODIFY i SMALLINT": true, "MODIFY i INT UNSIGNED": true, "MODIFY i VARCHAR(20)": true,
		"CHANGE i j INT": false, "CHANGE COLUMN `i` `j` INT FIRST, ADD INDEX (j)": false, "CHANGE i j INT, MODIFY n BIGINT": false, "CHANGE i j INT, MODIFY n TINYINT": true,
		"MODIFY n INT NULL DEFAULT 7 COMMENT 'x, MODIFY n TINYINT'": false, "MODIFY v VARCHAR(40)": false, "MODIFY v VARCHAR(10)": true, "MODIFY v TEXT": true, "MODIFY v VARCHAR(40) CHARACTER SET latin1": true,
		"MODIFY d DECIMAL(12,2)": false, "MODIFY d DECIMAL(12,3)": true, "MODIFY e ENUM('a','b','c')": false, "MODIFY e ENUM('b','a')": true, "MODIFY at DATETIME": false, "MODIFY at DATETIME(3)": true,
		"MODIFY i BIGINT, ADD COLUMN x INT NOT NULL": true, "MODIFY i BIGINT, ADD COLUMN x INT": false, "MODIFY x INT": true, "MODIFY g INT AS (i+2)": true,
	} {
		h := emptyHistory()
		h.cat = schema.NewCatalog(schema.Server{Version: 80031, Collations: map[string]string{"utf8mb4_bin": "utf8mb4", "latin1_bin": "latin1"},
			Defaults: map[string]string{"utf8mb4": "utf8mb4_bin", "latin1": "latin1_bin"}, Collation: "utf8mb4_bin"})
		h.captures = func(string, string) bool { return true }
		h.cat.PutDatabase("shop", "utf8mb4_bin")
		in := schema.Session{Database: "shop"}
		create := classify("CREATE TABLE t ()", "shop", 0)
		if _, err := h.apply(&create, "CREATE TABLE t (i INT, n INT NOT NULL, v VARCHAR(20), d DECIMAL(10,2), e ENUM('a','b'), at DATETIME, g INT AS (i+1))", in); err != nil || h.table(tableName{"shop", "t"}) == nil {
			t.Fatal(err)
		}
		sql := "ALTER TABLE t " + clauses
		st := classify(sql, "shop", 0)
		if _, err := h.apply(&st, sql, in); err != nil || (st.kind == stmtRows) != want {
			t.Errorf("%s changes values: %v, want %v (%v)", sql, st.kind == stmtRows, want, err)
		}
	}
}
