package mysqlddl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/capture/mysql/schema"
)

const inOurs = " IN ('d','e') "

// tables reads all tables of the test's databases from information_schema.
func (b *bench) tables(ctx context.Context) (map[schema.Name]*schema.Table, error) {
	out := map[schema.Name]*schema.Table{}
	rows, err := b.query(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA"+inOurs+"AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED')")
	if err != nil {
		return nil, err
	}
	for _, f := range rows {
		n := schema.Name{Database: f[0], Table: f[1]}
		out[n] = &schema.Table{Name: n, Engine: f[2], Collation: f[3]}
	}
	rows, err = b.query(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IFNULL(CHARACTER_OCTET_LENGTH,''), IFNULL(NUMERIC_PRECISION,''), "+
		"IFNULL(NUMERIC_SCALE,''), IFNULL(DATETIME_PRECISION,''), IFNULL(COLLATION_NAME,''), IS_NULLABLE, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA"+inOurs+
		"ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return nil, err
	}
	for _, f := range rows {
		if t := out[schema.Name{Database: f[0], Table: f[1]}]; t != nil {
			t.Columns = append(t.Columns, column(f[2:]))
		}
	}
	for n, t := range out {
		if err := b.indexes(ctx, n, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// column makes a column of what information_schema says.
func column(f []string) schema.Column {
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	c := schema.Column{
		Name: f[0], DataType: f[1], ColumnType: f[2], Collation: f[7], Nullable: f[8] == "YES",
		Virtual: strings.Contains(f[9], "VIRTUAL GENERATED"), Invisible: strings.Contains(f[9], "INVISIBLE"),
	}
	c.Generated = c.Virtual || strings.Contains(f[9], "STORED GENERATED")
	c.Compressed = strings.Contains(f[2], "COMPRESSED")
	if list, ok := strings.CutPrefix(c.ColumnType, c.DataType+"('"); ok {
		c.Labels = strings.Split(strings.NewReplacer(`\0`, "\x00", `\\`, `\`).Replace(strings.TrimSuffix(list, "')")), "','") // those of the test have no quotes in them
	}
	switch c.DataType {
	case "char", "varchar", "binary", "varbinary":
		c.Octets = number(f[3])
	case "decimal":
		c.Precision, c.Scale = number(f[4]), number(f[5])
	case "bit":
		c.Precision = number(f[4])
	case "time", "datetime", "timestamp":
		c.FSP = number(f[6])
	}
	return c
}

// indexes reads a table's indexes in the server's order, which SHOW INDEX has.
func (b *bench) indexes(ctx context.Context, n schema.Name, t *schema.Table) error {
	rows, err := b.query(ctx, fmt.Sprintf("SHOW INDEX FROM `%s`.`%s`", strings.ReplaceAll(n.Database, "`", "``"), strings.ReplaceAll(n.Table, "`", "``")))
	if err != nil {
		return err
	}
	for _, f := range rows {
		list := &t.Other
		if f[1] == "0" {
			list = &t.Unique
		}
		if len(*list) == 0 || (*list)[len(*list)-1].Name != f[2] {
			hash := b.maria && f[1] == "0" && f[10] == "HASH" && t.Engine != "MEMORY"
			*list = append(*list, schema.Index{Name: f[2], Hash: hash})
		}
		part := schema.Part{Column: f[4], Descending: f[5] == "D"}
		if part.Column == null {
			part.Column = ""
		}
		if f[7] != null {
			if part.Prefix, err = strconv.Atoi(f[7]); err != nil {
				return err
			}
		}
		k := &(*list)[len(*list)-1]
		k.Parts = append(k.Parts, part)
	}
	return nil
}

// differences says how what the catalogue knows differs from what the server says.
func (b *bench) differences(want map[schema.Name]*schema.Table) []string {
	var out []string
	for _, n := range b.catalog.Names() {
		if want[n] == nil {
			out = append(out, fmt.Sprintf("%s is known and is not there", n))
		}
	}
	for n, w := range want {
		got := b.catalog.Table(n)
		if got == nil {
			out = append(out, fmt.Sprintf("%s is there and is not known", n))
			continue
		}
		out = append(out, compare(got, w)...)
	}
	slices.Sort(out)
	return out
}

func compare(got, want *schema.Table) []string {
	var out []string
	differ := func(what string, g, w any) {
		gs, err1 := json.Marshal(g)
		ws, err2 := json.Marshal(w)
		if err := errors.Join(err1, err2); err != nil || string(gs) != string(ws) {
			out = append(out, fmt.Sprintf("%s: %s\n      is: %s\n  server: %s", want.Name, what, gs, ws))
		}
	}
	differ("name", got.Name, want.Name)
	if got.Engine != "" {
		differ("engine", got.Engine, want.Engine)
	}
	differ("collation", got.Collation, want.Collation)
	columns, wanted := seen(got), seen(want)
	for i := range max(len(columns), len(wanted)) {
		var g, w schema.Column
		if i < len(columns) {
			g = columns[i]
		}
		if i < len(wanted) {
			w = wanted[i]
		}
		differ(fmt.Sprintf("column %d", i), g, w)
	}
	differ("unique indexes", got.Unique, want.Unique)
	differ("other indexes", named(got.Other), named(want.Other))
	return out
}

// seen gives the columns that information_schema has. Labels are in the type, as text.
func seen(t *schema.Table) []schema.Column {
	var out []schema.Column
	for _, c := range t.Columns {
		if !c.Hidden {
			c.Labels = nil
			out = append(out, c)
		}
	}
	return out
}

// named sorts indexes: the order of those that are not unique is of no interest. Nor is how they are made.
func named(l []schema.Index) []string {
	var out []string
	for _, k := range l {
		columns := make([]string, 0, len(k.Parts))
		for _, p := range k.Parts {
			columns = append(columns, p.Column)
		}
		out = append(out, k.Name+"("+strings.Join(columns, ",")+")")
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(a, b) })
	return out
}
