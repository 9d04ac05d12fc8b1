package postgres

import (
	"bytes"
)

// maxColumns is above the server's own limit of columns (1600).
const maxColumns = 4096

// Kinds of replica identity, as pg_class.relreplident and the Relation message have them.
const (
	identityDefault = 'd' // the primary key
	identityNothing = 'n'
	identityFull    = 'f'
	identityIndex   = 'i' // the columns of a unique index
)

// relationBody describes a table as it was when the rows after it were logged. Strings are copies.
type relationBody struct {
	OID      uint32
	Schema   string
	Name     string
	Identity byte
	Columns  []relationColumn
}

// relationColumn is one published column.
type relationColumn struct {
	Key      bool // the replica identity has it: its old value is logged
	Name     string
	Type     uint32
	Modifier int32
}

// parseRelation reads a Relation message.
func parseRelation(body []byte) (relationBody, error) {
	c := cursor{b: body[1:]}
	r := relationBody{OID: c.u32(), Schema: string(c.text()), Name: string(c.text()), Identity: c.u8()}
	n := int(c.u16())
	if c.short || n > maxColumns || r.OID == 0 || r.Name == "" {
		return r, badMessage(body, "it is not a Relation")
	}
	if bytes.IndexByte([]byte{identityDefault, identityNothing, identityFull, identityIndex}, r.Identity) < 0 {
		return r, badMessage(body, "%s.%s has the replica identity %q", r.Schema, r.Name, r.Identity)
	}
	if r.Schema == "" {
		r.Schema = "pg_catalog"
	}
	r.Columns = make([]relationColumn, 0, n)
	for range n {
		flags := c.u8()
		col := relationColumn{Key: flags&1 != 0, Name: string(c.text()), Type: c.u32(), Modifier: int32(c.u32())}
		if c.short || flags > 1 || r.Identity == identityFull && !col.Key { // then every column identifies the row
			return r, badMessage(body, "column %d of %s.%s", len(r.Columns)+1, r.Schema, r.Name)
		}
		r.Columns = append(r.Columns, col)
	}
	if !c.done() {
		return r, badMessage(body, "the Relation of %s.%s has %d bytes too many", r.Schema, r.Name, len(c.b))
	}
	return r, nil
}

// identity gives the indexes of the columns whose old values are logged.
func (r *relationBody) identity() []int {
	var out []int
	for i := range r.Columns {
		if r.Columns[i].Key {
			out = append(out, i)
		}
	}
	return out
}

// index finds a column by its name, or returns -1.
func (r *relationBody) index(name string) int {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return i
		}
	}
	return -1
}
