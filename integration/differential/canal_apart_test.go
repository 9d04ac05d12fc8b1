package differential

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// canalMembers are those of every message, in their order.
var canalMembers = []string{"data", "database", "es", "gtid", "id", "isDdl", "mysqlType", "old", "pkNames", "sql", "sqlType", "table", "ts", "type"}

// cleanCanal takes out of a message what only a run decides. What has other members than Canal's, or in another order, is an error.
func cleanCanal(text string, positions bool) (string, error) {
	members := membersOf(text)
	names := make([]string, len(members))
	for i := range members {
		names[i] = members[i].name
		switch m := &members[i]; m.name {
		case "id", "ts":
			m.value = "0"
		case "gtid": // the whole executed set there, one transaction here
			m.value = `""`
		case "es":
			if positions {
				m.value = "0"
			}
		}
	}
	if !slices.Equal(names, canalMembers) {
		return "", fmt.Errorf("no message of Canal's: it has the members %q: %.300s", names, text)
	}
	return object(members), nil
}

// notOfTopics is what names of topics do not have; in ours there is _ instead.
var notOfTopics = regexp.MustCompile(`[^a-zA-Z0-9._-]`)

// canalApart takes messages with any number of rows apart into one a row, by table; those without rows are in the topic "ddl". Data and old are one row each
// then, and the key is that of the row by the message.
func canalApart(messages []string) (records, error) {
	all := records{}
	for _, text := range messages {
		m := membersOf(text)
		if get(m, "data") == "null" {
			all["ddl"] = append(all["ddl"], record{value: &text})
			continue
		}
		rows, olds := elementsOf(get(m, "data")), elementsOf(get(m, "old"))
		if len(rows) == 0 || olds != nil && len(olds) != len(rows) {
			return nil, fmt.Errorf("%d rows and %d old ones in %.300s", len(rows), len(olds), text)
		}
		topic := notOfTopics.ReplaceAllString(unquoted(get(m, "database"))+"."+unquoted(get(m, "table")), "_")
		for i, row := range rows {
			one := slices.Clone(m)
			set(one, "data", row)
			if olds != nil {
				set(one, "old", olds[i])
			}
			if len(rows) > 1 {
				ofMany(one, i == len(rows)-1)
			}
			value := object(one)
			all[topic] = append(all[topic], record{key: canalKey(one, row), value: &value})
		}
	}
	return all, nil
}

// ofMany makes of a row of many what it would be in a message of its own: old has the columns that the row itself changed, not those that any row of the message
// did. The types are known of the last row alone.
func ofMany(m []member, last bool) {
	data, old := membersOf(get(m, "data")), membersOf(get(m, "old"))
	if old != nil {
		set(m, "old", object(slices.DeleteFunc(old, func(o member) bool { return get(data, o.name) == o.value })))
	}
	if !last {
		set(m, "sqlType", `"of the last row"`)
	}
}

// keysInOrder are the keys that pkNames does not tell: Canal has the columns in the order of the table, and knows no unique key.
var keysInOrder = map[string][]string{"key_order": {"d", "a", "c"}, "two_keys": {"code", "region"}, "altered": {"w", "id"}, "key_unique": {"u"}}

// canalKey is the object of the key's columns in a row; nil without a key.
func canalKey(m []member, row string) *string {
	names := elementsOf(get(m, "pkNames"))
	for i, n := range names {
		names[i] = unquoted(n)
	}
	if in := keysInOrder[unquoted(get(m, "table"))]; in != nil && (names == nil || len(in) == len(names)) {
		names = in
	}
	if names == nil {
		return nil
	}
	data := membersOf(row)
	var key []member
	for _, n := range names {
		key = append(key, member{n, get(data, n)})
	}
	text := object(key)
	return &text
}

// canalUpsert makes of one record a change what a compacted topic has: tombstones, and a change of the key as the end of one row and the beginning of another.
func canalUpsert(all records) records {
	out := records{}
	for topic, list := range all {
		for _, r := range list {
			m := membersOf(*r.value)
			kind, old := unquoted(get(m, "type")), membersOf(get(m, "old"))
			before := overlay(get(m, "data"), old)
			switch was := canalKey(m, before); {
			case topic == "ddl", appended(topic), kind == "INSERT", kind == "UPDATE" && same(was, r.key):
				out[topic] = append(out[topic], r)
			case kind == "DELETE":
				out[topic] = append(out[topic], r, record{key: r.key})
			default:
				set(m, "old", "null")
				set(m, "type", `"INSERT"`)
				inserted := object(m)
				set(m, "data", before)
				set(m, "type", `"DELETE"`)
				deleted := object(m)
				out[topic] = append(out[topic], record{key: was, value: &deleted}, record{key: was}, record{key: r.key, value: &inserted})
			}
		}
	}
	return out
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// overlay is a row with other values of some columns.
func overlay(row string, with []member) string {
	m := membersOf(row)
	for _, w := range with {
		set(m, w.name, w.value)
	}
	return object(m)
}

func set(all []member, name, value string) {
	for i := range all {
		if all[i].name == name {
			all[i].value = value
		}
	}
}

var made = regexp.MustCompile("(?:^CREATE TABLE\\s+(?:IF NOT EXISTS )?| TO )(?:`([^`]+)`|(\\w+))")

// tablesMade are the tables that statements make or give a name, as database.table.
func tablesMade(statements []string) []string {
	var all []string
	for _, s := range statements {
		if !strings.HasPrefix(s, "CREATE TABLE") && !strings.HasPrefix(s, "RENAME TABLE") && !strings.HasPrefix(s, "ALTER TABLE") {
			continue
		}
		for _, m := range made.FindAllStringSubmatch(s, -1) {
			all = append(all, "lab."+m[1]+m[2])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// appended says which tables are in mode changelog in every variant.
func appended(table string) bool {
	return strings.HasPrefix(table, "lab.keyless") || strings.HasPrefix(table, "lab.log_")
}
