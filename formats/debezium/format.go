package debezium

import (
	"fmt"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// format is one output's: what Debezium calls a connector.
type format struct {
	cfg         Config
	env         formats.Env // with the names that the options give
	placeholder []byte
	run         string // a number that each start of the daemon draws
}

func newFormat(c *Config, env formats.Env) *format {
	f := &format{cfg: *c, env: env, run: newRun()}
	f.env.Server = orElse(c.Identity.TopicPrefix, env.Server)
	f.env.Version = orElse(c.Identity.SourceVersion, env.Version)
	f.cfg.TransactionMetadata = c.TransactionMetadata || c.Sides.ProvideTransactionMetadata
	f.placeholder, _ = c.placeholder() // Validate has seen it
	return f
}

// Compile prepares the encoder of one table version.
func (f *format) Compile(t *changelog.Table, o formats.Options) (formats.Encoder, error) {
	like, _ := o.Like.(*encoder)
	o.Like = nil
	source := newSource(f.env, t, like)
	if source == nil {
		return nil, fault.NewFinal(fault.UnsupportedType, "preparing debezium-json for "+t.FullName(),
			fmt.Errorf("a source of kind %q has no source block", t.Origin), "Use another format for this source.")
	}
	if len(t.Columns) == 0 && !o.Ends {
		return nil, fault.NewFinal(fault.SchemaUnknown, "preparing debezium-json for "+t.FullName(),
			fmt.Errorf("the table has no columns"), "Check the table's definition and report this if it has columns.")
	}
	if t.Inferred && !o.Ends && (f.cfg.Schemas.SchemasEnable || f.cfg.Schemas.KeySchemasEnable) {
		return nil, fault.NewFinal(fault.SchemaUnknown, "preparing debezium-json for "+t.FullName(),
			fmt.Errorf("the messages that it is read from do not say what its columns are, and a schema must"),
			"Read messages that have schemas or mysqlType, or set schemas_enable and key_schemas_enable to false.")
	}
	e := &encoder{table: t, options: o, cfg: &f.cfg, server: f.env.Server, source: source, headers: f.headers(t)}
	e.compiler = compiler{cfg: e.cfg, origin: t.Origin, placeholder: f.placeholder}
	if like != nil {
		e.columns, e.key = like.columns, like.key
	} else if err := e.compileColumns(); err != nil {
		return nil, err
	}
	if err := e.compileSchemas(); err != nil {
		return nil, err
	}
	return e, nil
}

// compileColumns prepares the columns of the rows and of the record key.
func (e *encoder) compileColumns() error {
	e.columns = make([]column, len(e.table.Columns))
	for i := range e.table.Columns {
		in := &e.table.Columns[i]
		if err := e.compiler.column(&e.columns[i], in); err != nil {
			return e.locate("preparing", in.Name, err)
		}
		e.columns[i].prefix = jsonx.NewMember(i == 0, e.fieldName(in.Name))
	}
	return e.compileKey(e.compiler)
}
