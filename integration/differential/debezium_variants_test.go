package differential

import "maps"

// variant is one way to configure Debezium, and cdcbridge likewise.
type variant struct {
	name    string // also the topic prefix of both
	connect map[string]string
	options string   // of our outputs' format, YAML
	sides   string   // more of them, for what is written beside the rows
	output  string   // further keys of our output, YAML
	append  []string // tables that go to topics in mode changelog: keyless is one of them always
	without []string // tables that Debezium cannot read under these options, or that mode upsert refuses
}

// bare are settings of a variant without schemas.
func bare(more map[string]string) map[string]string {
	all := map[string]string{}
	for _, part := range []string{"key", "value"} {
		all[part+".converter"] = "org.apache.kafka.connect.json.JsonConverter" // the worker's own has them
		all[part+".converter.schemas.enable"] = "false"
	}
	maps.Copy(all, more)
	return all
}

const (
	quiet    = "include.schema.changes"
	both     = "schemas_enable: true, key_schemas_enable: true, "
	messages = "include_logical_messages: true"
)

// mysqlVariants have each value of each mode once, schemas on and off. Only the first two have the topic of statements.
var mysqlVariants = []variant{
	{name: "plain", connect: bare(nil), sides: "include_schema_changes: true"},
	{name: "schemas", options: both, sides: "include_schema_changes: true"},
	{name: "strings", sides: "provide_transaction_metadata: true", without: []string{"keyless"},
		connect: map[string]string{quiet: "false", "decimal.handling.mode": "string", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
			"bigint.unsigned.handling.mode": "precise", "provide.transaction.metadata": "true"},
		options: both + "decimal_handling_mode: string, time_precision_mode: isostring, binary_handling_mode: hex, bigint_unsigned_handling_mode: precise"},
	{name: "doubles", append: []string{"truncated"}, without: []string{"times_far", "key_decimal", "key_time"},
		connect: map[string]string{quiet: "false", "decimal.handling.mode": "double", "time.precision.mode": "connect", "binary.handling.mode": "base64",
			"column.propagate.source.type": ".*", "include.schema.comments": "true", "skipped.operations": "none"},
		options: both + `decimal_handling_mode: double, time_precision_mode: connect, binary_handling_mode: base64, column_propagate_source_type: ".*", include_schema_comments: true, skipped_operations: none`},
	{name: "micros", output: `tombstones_on_delete: false, message_key_columns: "lab.orders:n,v"`,
		connect: map[string]string{quiet: "false", "time.precision.mode": "microseconds", "binary.handling.mode": "base64-url-safe", "schema.name.adjustment.mode": "avro",
			"field.name.adjustment.mode": "avro", "tombstones.on.delete": "false", "message.key.columns": "lab.orders:n,v", "extended.headers.enabled": "false"},
		options: both + "time_precision_mode: microseconds, binary_handling_mode: base64-url-safe, schema_name_adjustment_mode: avro, field_name_adjustment_mode: avro, extended_headers_enabled: false"},
	{name: "nanos", without: []string{"times_far"},
		connect: map[string]string{quiet: "false", "time.precision.mode": "nanoseconds", "schema.name.adjustment.mode": "avro_unicode", "field.name.adjustment.mode": "avro_unicode",
			"datatype.propagate.source.type": `.+\.VARCHAR,.+\.DECIMAL`},
		options: both + `time_precision_mode: nanoseconds, schema_name_adjustment_mode: avro_unicode, field_name_adjustment_mode: avro_unicode, datatype_propagate_source_type: '.+\.VARCHAR,.+\.DECIMAL'`},
}

// mariaVariants are fewer: the connector is MySQL's but for a few types.
var mariaVariants = mysqlVariants[:3]

var postgresVariants = []variant{
	{name: "plain", connect: bare(nil), sides: messages, without: []string{"decimals_nan"}},
	{name: "schemas", options: both, sides: messages, without: []string{"decimals_nan"}},
	{name: "strings", sides: messages + ", provide_transaction_metadata: true", without: []string{"keyless"},
		connect: map[string]string{"decimal.handling.mode": "string", "time.precision.mode": "isostring", "binary.handling.mode": "hex", "hstore.handling.mode": "map",
			"interval.handling.mode": "string", "provide.transaction.metadata": "true"},
		options: both + "decimal_handling_mode: string, time_precision_mode: isostring, binary_handling_mode: hex, hstore_handling_mode: map, interval_handling_mode: string"},
	{name: "doubles", sides: messages, append: []string{"truncated"}, without: []string{"key_decimal", "key_numeric", "key_time"},
		connect: map[string]string{"decimal.handling.mode": "double", "time.precision.mode": "connect", "binary.handling.mode": "base64", "column.propagate.source.type": ".*",
			"include.schema.comments": "true", "skipped.operations": "none"},
		options: both + `decimal_handling_mode: double, time_precision_mode: connect, binary_handling_mode: base64, column_propagate_source_type: ".*", include_schema_comments: true, skipped_operations: none`},
	{name: "micros", sides: messages, output: `tombstones_on_delete: false, message_key_columns: "public.custom_key:n,v"`, without: []string{"decimals_nan"},
		connect: map[string]string{"time.precision.mode": "microseconds", "binary.handling.mode": "base64-url-safe", "schema.name.adjustment.mode": "avro",
			"field.name.adjustment.mode": "avro", "tombstones.on.delete": "false", "message.key.columns": "public.custom_key:n,v", "extended.headers.enabled": "false"},
		options: both + "time_precision_mode: microseconds, binary_handling_mode: base64-url-safe, schema_name_adjustment_mode: avro, field_name_adjustment_mode: avro, extended_headers_enabled: false"},
	{name: "nanos", sides: messages, without: []string{"decimals_nan", "times_far", "times_endless"},
		connect: map[string]string{"time.precision.mode": "nanoseconds", "schema.name.adjustment.mode": "avro_unicode", "field.name.adjustment.mode": "avro_unicode",
			"datatype.propagate.source.type": `.+\.varchar,.+\.numeric`},
		options: both + `time_precision_mode: nanoseconds, schema_name_adjustment_mode: avro_unicode, field_name_adjustment_mode: avro_unicode, datatype_propagate_source_type: '.+\.varchar,.+\.numeric'`},
	{name: "adaptive", sides: messages + ", heartbeat_interval_ms: 500", without: []string{"decimals_nan"},
		connect: map[string]string{"time.precision.mode": "adaptive_time_microseconds", "money.fraction.digits": "4", "heartbeat.interval.ms": "500"},
		options: both + "time_precision_mode: adaptive_time_microseconds, money_fraction_digits: 4"},
}
