package plain

import (
	"fmt"
	"slices"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

type format struct{ cfg Config }

// Compile prepares the encoder of one table version.
func (f *format) Compile(t *changelog.Table, o formats.Options) (formats.Encoder, error) {
	doing := "preparing plain-json for " + t.FullName()
	if len(t.Columns) == 0 {
		return nil, fault.NewFinal(fault.SchemaUnknown, doing, fmt.Errorf("the table has no columns"), "Check the table's definition and report this if it has columns.")
	}
	if !o.Upsert && !slices.Contains(f.cfg.AddFields, fieldOp) && !slices.Contains(f.cfg.AddFields, fieldDeleted) {
		return nil, fault.NewFinal(fault.Config, doing, fmt.Errorf("a log of changes in which a deleted row looks like a new one"),
			"Add op or deleted to add_fields, or use mode: upsert, where a delete is a tombstone.")
	}
	for _, i := range o.Key {
		if i < 0 || i >= len(t.Columns) {
			return nil, fault.NewFinal(fault.Internal, doing, fmt.Errorf("key column %d of %d", i, len(t.Columns)), "Report this with the table's definition.")
		}
	}
	e := &encoder{table: t, options: o, cfg: f.cfg, columns: make([]column, len(t.Columns))}
	for i := range t.Columns {
		k := compiler{cfg: &e.cfg, key: o.Upsert && slices.Contains(o.Key, i)}
		if err := k.column(&e.columns[i], &t.Columns[i]); err != nil {
			return nil, e.locate("preparing", t.Columns[i].Name, err)
		}
		e.columns[i].prefix = jsonx.NewMember(i == 0, t.Columns[i].Name)
	}
	if err := e.compileKey(); err != nil {
		return nil, err
	}
	return e, e.compileFields()
}
