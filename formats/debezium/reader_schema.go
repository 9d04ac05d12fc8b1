package debezium

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// maxSchemaDepth bounds the nesting of schemas. Those of Debezium have six levels at most.
const maxSchemaDepth = 20

// parseSchema reads a schema as Connect's JSON converter writes it, properties in any order.
func parseSchema(raw []byte, depth int) (f field, err error) {
	if depth > maxSchemaDepth {
		return f, errors.New("a schema of too many levels")
	}
	nested := func(raw []byte) (*schema, error) {
		s, err := parseSchema(raw, depth+1)
		return &s.schema, err
	}
	err = jsonx.EachField(raw, func(name, value []byte) error {
		var err error
		switch string(name) {
		case "type":
			f.typ, err = decodeText(value)
		case "name":
			f.schema.name, err = decodeText(value)
		case "field":
			f.name, err = decodeText(value)
		case "doc":
			f.doc, err = decodeText(value)
		case "optional":
			f.optional = string(value) == "true"
		case "default":
			f.def = value
		case "items", "values":
			f.elem, err = nested(value)
		case "keys":
			f.keys, err = nested(value)
		case "parameters":
			err = jsonx.EachField(value, func(name, value []byte) error {
				text, err := decodeText(value)
				f.parameters = append(f.parameters, string(name), text)
				return err
			})
		case "fields":
			err = jsonx.EachElement(value, func(value []byte) error {
				inner, err := parseSchema(value, depth+1)
				f.fields = append(f.fields, inner)
				return err
			})
		}
		return err
	})
	return f, err
}

// parameter gives the value of a parameter, "" when the schema does not have it.
func (s *schema) parameter(name string) string {
	for i := 0; i+1 < len(s.parameters); i += 2 {
		if s.parameters[i] == name {
			return s.parameters[i+1]
		}
	}
	return ""
}

// planOfSchema reads rows that come with a schema. If the table is known, the schema says only how its columns are written.
func (r *reader) planOfSchema(o *origin, known *changelog.Table, raw []byte, keyed bool) (*rowPlan, error) {
	if p := o.plan; p != nil && o.described != nil && p.from == known && bytes.Equal(o.described, raw) && (known != nil || !keyed || r.keyIs(p)) {
		return p, nil
	}
	whole, err := parseSchema(raw, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	row := rowSchema(&whole.schema)
	if row == nil {
		return nil, errors.New("the schema is none of a row's change")
	}
	p, err := r.describe(o, known, row)
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	o.plan, o.before, o.described = p, bytes.Clone(r.wrapping), bytes.Clone(raw)
	return p, nil
}

// rowSchema finds the schema of the rows in that of the envelope.
func rowSchema(s *schema) *schema {
	for i := range s.fields {
		if f := &s.fields[i]; (f.name == "after" || f.name == "before") && f.typ == "struct" && len(f.fields) > 0 {
			return &f.schema
		}
	}
	return nil
}

// describe makes the table that a schema describes, and the plan that reads its rows.
func (r *reader) describe(o *origin, known *changelog.Table, row *schema) (*rowPlan, error) {
	if known != nil {
		byName := map[string]*schema{}
		for i := range row.fields {
			byName[row.fields[i].name] = &row.fields[i].schema
		}
		p, err := newPlan(known, r.fieldName, func(i int) *Config {
			return r.modes(byName[r.fieldName(known.Columns[i].Name)], &known.Columns[i])
		})
		if err == nil {
			p.from = known
		}
		return p, err
	}
	t := &changelog.Table{Origin: o.connector, Database: o.database, Schema: o.schema, Name: o.name}
	for i := range row.fields {
		f := &row.fields[i]
		t.Columns = append(t.Columns, described(f, o.connector))
	}
	same := func(name string) string { return name }
	t.Key = r.keyNames(t, same)
	modes := func(i int) *Config { return r.modes(&row.fields[i].schema, &t.Columns[i]) }
	if err := r.readDefaults(t, row, modes); err != nil {
		return nil, err
	}
	t = r.options.Intern(t)
	return newPlan(t, same, modes)
}

// readDefaults reads the columns' defaults, which are written as values are. What the server computes has one too, which no
// schema tells from a constant.
func (r *reader) readDefaults(t *changelog.Table, row *schema, modes func(i int) *Config) error {
	batch := r.batch
	r.batch = new(changelog.Batch) // lives as long as the table
	defer func() { r.batch = batch }()
	for i := range row.fields {
		def := row.fields[i].def
		if def == nil || jsonx.IsNull(def) {
			continue
		}
		var c inbound
		err := (inboundCompiler{cfg: modes(i), origin: t.Origin, key: true}).column(&c, &t.Columns[i])
		if err != nil {
			return fmt.Errorf("column %s: %w", t.Columns[i].Name, err)
		}
		v, err := c.read(r, &c, def)
		if err != nil {
			return fmt.Errorf("default of column %s: %w", t.Columns[i].Name, err)
		}
		t.Columns[i].Default = &changelog.Default{Value: v}
	}
	return nil
}

// modes are the options under which a column would be written as its schema says.
func (r *reader) modes(s *schema, in *changelog.Column) *Config {
	if s == nil {
		return &r.cfg
	}
	if s.typ == "array" && s.elem != nil && in.Type.Elem != nil {
		return r.modes(s.elem, in.Type.Elem)
	}
	cfg := r.cfg
	switch s.typ {
	case "string":
		cfg.DecimalHandlingMode, cfg.BigintUnsignedHandlingMode = decimalString, bigintString
	case "bytes":
		cfg.DecimalHandlingMode, cfg.BigintUnsignedHandlingMode, cfg.BinaryHandlingMode = decimalPrecise, bigintPrecise, binaryBytes
	case "int64":
		cfg.BigintUnsignedHandlingMode = bigintLong
	}
	if scale, err := strconv.Atoi(s.parameter("scale")); err == nil {
		cfg.MoneyFractionDigits = scale
	}
	_, kind, _ := strings.Cut(s.name, "time.")
	switch {
	case s.name == "org.apache.kafka.connect.data.Time", s.name == "org.apache.kafka.connect.data.Timestamp", kind == "Time", kind == "Timestamp":
		cfg.TimePrecisionMode = timeConnect
	case strings.HasPrefix(kind, "Micro"):
		cfg.TimePrecisionMode = timeMicros
	case strings.HasPrefix(kind, "Nano"):
		cfg.TimePrecisionMode = timeNanos
	}
	return &cfg
}
