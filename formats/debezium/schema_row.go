package debezium

import (
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// schemas are what stands before the keys and values of one table version. A message must be valid by the schema that it
// carries, or Connect's converters refuse it. Two kinds of records need another one than the table's:
//
//   - An old row of which the log has a part only is null elsewhere, also where the table allows no NULL.
//   - An array of several dimensions is arrays in one another, and PostgreSQL declares no number of them.
type schemas struct {
	key    wrapping
	value  wrapping
	need   []bool // by column: null is not allowed, or is read as the default
	arrays []int  // columns that are arrays
	others *otherSchemas
}

// compileSchemas renders the schemas that the options ask for.
func (e *encoder) compileSchemas() error {
	o := &e.cfg.Schemas
	e.schemas.others = new(otherSchemas)
	if err := e.checkNames(); err != nil {
		return err
	}
	if o.KeySchemasEnable && len(e.key) > 0 {
		e.schemas.key = e.wrapKey(nil)
	}
	for i := range e.table.Columns {
		if e.columns[i].elem != nil {
			e.schemas.arrays = append(e.schemas.arrays, i)
		}
	}
	if !o.SchemasEnable {
		return nil
	}
	e.schemas.value = e.wrapValue(nil, nil, false)
	k := e.compiler
	for i := range e.table.Columns {
		s := k.columnSchema(e.table, &e.table.Columns[i], &e.columns[i], false)
		e.schemas.need = append(e.schemas.need, !s.optional || s.def != nil)
	}
	return nil
}

// checkNames refuses names that adjustment makes the same.
func (e *encoder) checkNames() error {
	names := map[string]string{}
	for i := range e.table.Columns {
		name := e.table.Columns[i].Name
		adjusted := e.fieldName(name)
		if other, taken := names[adjusted]; taken {
			return e.locate("preparing", name, refuse(fault.Config, "Set field_name_adjustment_mode to avro_unicode or none, or rename one.",
				"its name and that of %s both become %s", other, adjusted))
		}
		names[adjusted] = name
	}
	return nil
}

func (e *encoder) fieldName(column string) string {
	return adjustName(e.cfg.Schemas.FieldNameAdjustmentMode, column, false)
}

// schemaName is the name of one of the table's schemas: what its topic is called in Debezium, and last.
func (e *encoder) schemaName(last string) string {
	topic := topicName(e.server + "." + e.table.FullName())
	return adjustName(e.cfg.Schemas.SchemaNameAdjustmentMode, topic+last, true)
}

func (e *encoder) wrapKey(row changelog.Row) wrapping {
	k := e.compiler
	k.key = true
	s := structSchema(e.schemaName(".Key"), 0)
	for i := range e.key {
		in := &e.table.Columns[e.key[i].index]
		f := k.columnSchema(e.table, in, &e.key[i].column, false)
		f.deepen(row, e.key[i].index)
		s.fields = append(s.fields, f.as(e.fieldName(in.Name)))
	}
	return wrap(true, &s)
}

// wrapValue renders the schema for these rows; nil stands for any row without arrays of several dimensions.
func (e *encoder) wrapValue(before, after changelog.Row, partly bool) wrapping {
	s := envelopeSchema(e.schemaName(".Envelope"), e.rowSchema(before, partly), e.rowSchema(after, false), e.table.Origin)
	return wrap(true, &s)
}

func (e *encoder) rowSchema(row changelog.Row, partly bool) schema {
	s := structSchema(e.schemaName(".Value"), 0).opt()
	for i := range e.table.Columns {
		in := &e.table.Columns[i]
		f := e.compiler.columnSchema(e.table, in, &e.columns[i], partly)
		f.deepen(row, i)
		s.fields = append(s.fields, f.as(e.fieldName(in.Name)))
	}
	return s
}

// keyWrapping chooses the schema of a key.
func (e *encoder) keyWrapping(row changelog.Row) wrapping {
	if e.schemas.key == nil || len(e.schemas.arrays) == 0 {
		return e.schemas.key
	}
	var buf [maxStackDimensions]byte
	dims, deep := e.appendDimensions(append(buf[:0], 'k'), row)
	if !deep {
		return e.schemas.key
	}
	return e.schemas.others.find(dims, func() wrapping { return e.wrapKey(row) })
}

// valueWrapping chooses the schema of a value.
func (e *encoder) valueWrapping(ch *changelog.Change) wrapping {
	if e.schemas.value == nil {
		return nil
	}
	partly, kind := e.knownPartly(ch), byte('w')
	if partly {
		kind = 'p'
	}
	if !partly && len(e.schemas.arrays) == 0 {
		return e.schemas.value
	}
	before, after := ch.Before, ch.After
	if before == nil && partly {
		before = after // whose key is written
	}
	var buf [maxStackDimensions]byte
	dims, deepBefore := e.appendDimensions(append(buf[:0], kind), before)
	dims, deepAfter := e.appendDimensions(dims, after)
	if !partly && !deepBefore && !deepAfter {
		return e.schemas.value
	}
	return e.schemas.others.find(dims, func() wrapping { return e.wrapValue(before, after, partly) })
}

// maxStackDimensions is how many dimensions of arrays are kept off the heap.
const maxStackDimensions = 128

// knownPartly tells whether before is written with nulls that the table does not allow, or with its key only.
func (e *encoder) knownPartly(ch *changelog.Change) bool {
	switch {
	case ch.Op != changelog.Update && ch.Op != changelog.Delete:
		return false
	case ch.Before == nil:
		return e.cfg.KeyInBefore
	}
	for i := range ch.Before {
		if ch.Before[i].IsUnchanged() && e.schemas.need[i] {
			return true
		}
	}
	return false
}
