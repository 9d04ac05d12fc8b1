package debezium

import (
	"fmt"
	"regexp"
	"strings"
)

// SchemaConfig says whether records carry their schema, and what is in it.
type SchemaConfig struct {
	// SchemasEnable writes values as {"schema":…,"payload":…}: value.converter.schemas.enable.
	SchemasEnable bool `mapstructure:"schemas_enable"`

	// KeySchemasEnable writes keys so: key.converter.schemas.enable.
	KeySchemasEnable bool `mapstructure:"key_schemas_enable"`

	// SchemaNameAdjustmentMode says what becomes of characters in the names of schemas that Avro does not allow: none, avro
	// or avro_unicode.
	SchemaNameAdjustmentMode string `mapstructure:"schema_name_adjustment_mode"`

	// FieldNameAdjustmentMode says the same of the names of columns, with schemas or without.
	FieldNameAdjustmentMode string `mapstructure:"field_name_adjustment_mode"`

	// ColumnPropagateSourceType lists the columns, DatatypePropagateSourceType the types of columns, whose fields have the
	// source's type as parameters of their schema.
	ColumnPropagateSourceType   Patterns `mapstructure:"column_propagate_source_type"`
	DatatypePropagateSourceType Patterns `mapstructure:"datatype_propagate_source_type"`

	// IncludeSchemaComments writes the comments of columns into the schema: include.schema.comments.
	IncludeSchemaComments bool `mapstructure:"include_schema_comments"`
}

// IdentityConfig says whom the records claim to come from.
type IdentityConfig struct {
	// TopicPrefix is source.name and begins the names of schemas; "": the pipeline's name.
	TopicPrefix string `mapstructure:"topic_prefix"`

	// SourceVersion is source.version; "": the release of cdcbridge.
	SourceVersion string `mapstructure:"source_version"`

	// ExtendedHeadersEnabled puts the headers __debezium.context.* on all records: extended.headers.enabled.
	ExtendedHeadersEnabled bool `mapstructure:"extended_headers_enabled"`
}

// Patterns are regular expressions separated by commas, as Debezium's options have them. Each must match the whole of a
// name, in any case. A comma that belongs to an expression has a backslash before it.
type Patterns struct {
	text string
	all  []*regexp.Regexp
}

// MarshalText gives the list as it was read.
func (p Patterns) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads the list. The empty text is the empty list.
func (p *Patterns) UnmarshalText(text []byte) error {
	p.text, p.all = string(text), nil
	const comma = "\x00"
	for part := range strings.SplitSeq(strings.ReplaceAll(string(text), `\,`, comma), ",") {
		part = strings.TrimSpace(strings.ReplaceAll(part, comma, ","))
		if part == "" {
			continue
		}
		re, err := regexp.Compile("(?i)^(?:" + part + ")$")
		if err != nil {
			return fmt.Errorf("%q is no regular expression: %w", part, err)
		}
		p.all = append(p.all, re)
	}
	return nil
}

// match reports that one of the expressions matches the name.
func (p *Patterns) match(name string) bool {
	for _, re := range p.all {
		if re.MatchString(name) {
			return true
		}
	}
	return false
}
