package schema

import (
	"slices"
	"strconv"
)

// The columns of a system-versioned table that has none of its own for its period.
const (
	rowStart = "row_start"
	rowEnd   = "row_end"
)

// Hidden gives the columns that MariaDB adds to rows behind all others and shows nowhere: the period of a system-versioned
// table that has no columns of its own for it, and then a number for each unique index that is kept as a hash, of which
// nullable says in the order of the indexes whether one of their columns can be NULL.
func Hidden(versioned bool, nullable []bool) []Column {
	var out []Column
	if versioned {
		for _, n := range []string{rowStart, rowEnd} {
			out = append(out, Column{Name: n, DataType: "timestamp", ColumnType: "timestamp(6)", FSP: 6, Generated: true, Invisible: true, Hidden: true})
		}
	}
	for i, null := range nullable {
		out = append(out, Column{
			Name: "DB_ROW_HASH_" + strconv.Itoa(i+1), DataType: "bigint", ColumnType: "bigint(20) unsigned", Nullable: null,
			Generated: true, Virtual: true, Invisible: true, Hidden: true,
		})
	}
	return out
}

// hashes reports a table of which unique indexes can be kept as hashes.
func (d *draft) hashes() bool { return d.server.MariaDB && d.engine != "MEMORY" }

// hash finds the unique indexes that are kept as hashes: because the statement says so, or because the engine has no index that
// wide. It gives for each whether it can have NULL.
func (d *draft) hash() []bool {
	if !d.hashes() {
		return nil
	}
	var nullable []bool
	for i := range d.keys {
		k := &d.keys[i]
		if !k.unique || k.Name == primary {
			continue
		}
		size, null := 0, false
		if d.versioned {
			size = 7 // row_end is a part of it
		}
		for _, p := range k.Parts {
			at := d.find(p.Column)
			if at < 0 {
				continue
			}
			c := &d.columns[at].Column
			null = null || c.Nullable
			if p.Prefix > 0 {
				size += p.Prefix * width(d.charsetOf(c.Collation))
			} else {
				size += c.size()
			}
		}
		k.Hash = k.Hash || size > d.widest()
		if k.Hash {
			k.Parts = slices.Clone(k.Parts)
			for j := range k.Parts {
				k.Parts[j].Descending = false
			}
			nullable = append(nullable, null)
		}
	}
	return nullable
}

// widest is how many bytes an index of the engine can have.
func (d *draft) widest() int {
	switch d.engine {
	case "MyISAM":
		return 1000
	case "Aria":
		return 2300
	}
	return 3072
}

// number reports a column of which an index takes all or nothing, however long a part a statement names.
func (c *Column) number() bool {
	switch c.DataType {
	case "char", "varchar", "binary", "varbinary":
		return false
	}
	return c.size() < 1<<20
}

// size is how many bytes of an index a column takes; what has no limit takes too many.
func (c *Column) size() int {
	switch c.DataType {
	case "char", "varchar", "binary", "varbinary":
		return c.Octets
	case "tinyint", "year":
		return 1
	case "smallint":
		return 2
	case "mediumint", "date":
		return 3
	case "int", "float", "timestamp":
		return 4 + (c.FSP+1)/2
	case "time":
		return 3 + (c.FSP+1)/2
	case "datetime":
		return 5 + (c.FSP+1)/2
	case "bigint", "double":
		return 8
	case "set":
		if n := (len(c.Labels) + 7) / 8; n <= 4 {
			return n
		}
		return 8
	case "enum":
		return 1 + len(c.Labels)/256
	case "decimal":
		return (c.Precision-c.Scale+8)/9*4 + (c.Scale+8)/9*4
	case "bit":
		return (c.Precision + 7) / 8
	case "uuid", "inet6":
		return 16
	case "inet4":
		return 4
	}
	return 1 << 20
}
