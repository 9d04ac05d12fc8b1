package postgrestypes

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/canal"
	"cdcbridge/formats/debezium"
)

// keyColumns have values of which some are one key to the server, and some only look alike.
var keyColumns = []struct {
	typ    string
	values []string
}{
	{"numeric", []string{"0", "0.00", "-0.0", "1.1", "1.10", "11", "-1.1", "100", "1e2", "0.0000000000000000001", "NULL"}},
	{"numeric(10,2)", []string{"0", "1.1", "1.10", "-1.1"}},
	{"interval", []string{"'1 mon'", "'30 days'", "'720:00:00'", "'2 mons -31 days 24:00:00'", "'31 days'", "'1 day -00:00:01'", "'23:59:59'", "'-1 mon'", "'0'", "'100000 years'", "'-1 day'", "'-24:00'", "'0.000001'"}},
	{"timetz", []string{"'10:00+02'", "'08:00+00'", "'08:00:00.000+00'", "'24:00+00'", "'00:00+00'", "'10:00:00.5+02'", "'10:00-02'", "'10:00+02:00:30'"}},
	{"float8", []string{"0", "'-0'", "'NaN'", "'Infinity'", "1e15", "0.1", "'-0.1'"}},
	{"float4", []string{"0", "'-0'", "'NaN'", "0.1"}},
	{"bit varying", []string{"''", "'0'", "'00'", "'1'", "'01'", "'0001'"}},
	{"bit varying(1)", []string{"''", "'0'", "'1'"}},
	{"numeric[]", []string{"'{1.1,NULL}'", "'{1.10,NULL}'", "'{{1.1},{2}}'", "'{{1.10},{2.0}}'", "'{1.1,2}'", "'{}'", "'{NULL}'"}},
	{"interval[]", []string{"'{1 mon}'", "'{30 days}'", "'{31 days}'"}},
	{"float8[]", []string{"'{0}'", "'{-0}'", "'{1}'"}},
	{"timetz[]", []string{"'{10:00+02}'", "'{08:00+00}'"}},
	{"text[]", []string{"'{NULL}'", "'{\"NULL\"}'", "'{\"a,b\"}'", "'{a,b}'", "'{}'", "'{\"\"}'"}},
	{"date", []string{"'infinity'", "'-infinity'", "'0044-03-15 BC'", "'2024-05-06'"}},
	{"timestamp", []string{"'infinity'", "'-infinity'", "'2024-05-06'"}},
	{"timestamptz", []string{"'infinity'", "'2024-05-06 10:00+02'", "'2024-05-06 08:00+00'"}},
	{"public.hstore", []string{"'a=>1,b=>NULL'", "'b=>NULL,a=>1'", "'a=>1,b=>\"NULL\"'", "''"}},
}

// TestKeysAreThoseOfTheServer: values have the same record key exactly where the server's index takes them for one.
func TestKeysAreThoseOfTheServer(t *testing.T) {
	b := newBench(t, versions[len(versions)-1])
	b.exec("CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public")
	for i, c := range keyColumns {
		b.exec(fmt.Sprintf("CREATE TABLE keys%d (id int PRIMARY KEY, c %s)", i, c.typ))
	}
	source, expected := b.open(), 0
	for i, c := range keyColumns {
		for n, v := range c.values {
			b.exec(fmt.Sprintf("INSERT INTO keys%d VALUES (%d, %s)", i, n, v))
			expected++
		}
	}
	keys, seen := map[string]map[string][]string{}, 0 // by table and format
	writers := keyWriters{}
	err := follow(t, source, func(table *changelog.Table, ch *changelog.Change) bool {
		if keys[table.Name] == nil {
			keys[table.Name] = map[string][]string{}
		}
		for name, key := range writers.keys(t, table, ch.After) {
			keys[table.Name][name] = append(keys[table.Name][name], key)
		}
		seen++
		return seen == expected
	})
	if err != nil {
		t.Fatalf("%v after %d changes of %d", err, seen, expected)
	}
	for i, c := range keyColumns {
		table := fmt.Sprintf("keys%d", i)
		for _, pair := range b.rows(strings.ReplaceAll("SELECT a.id, b.id, a.c = b.c OR a.c IS NULL AND b.c IS NULL FROM $ a, $ b WHERE a.id < b.id", "$", table)) {
			n, _ := strconv.Atoi(pair[0])
			m, _ := strconv.Atoi(pair[1])
			for name, of := range keys[table] {
				if one := of[n] == of[m]; one != (pair[2] == "t") {
					t.Errorf("%s: to the server %s and %s are one %s: %s; the keys are %s and %s", name, c.values[n], c.values[m], c.typ, pair[2], of[n], of[m])
				}
			}
		}
	}
}

// keyWriters are encoders of record keys, by table and format.
type keyWriters map[string]formats.Encoder

func (w keyWriters) keys(t *testing.T, table *changelog.Table, row changelog.Row) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, kind := range []formats.Kind{canal.Kind(), debezium.Kind()} {
		for _, preset := range []string{"", "flink"} {
			name := kind.Name + " " + preset
			enc := w[table.Name+name]
			if enc == nil {
				cfg := kind.Config()
				cfg.Preset(preset)
				var err error
				if enc, err = cfg.Format(formats.Env{}).Compile(table, formats.Options{Key: []int{1}, Upsert: true}); err != nil {
					t.Fatal(err)
				}
				w[table.Name+name] = enc
			}
			key, err := enc.AppendKey(nil, row)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			out[name] = string(key)
		}
	}
	return out
}
