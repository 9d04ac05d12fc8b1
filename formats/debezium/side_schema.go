package debezium

// compileSchemas renders the schemas of records beside the rows, where options ask for schemas at all.
func (s *side) compileSchemas() {
	const common = "io.debezium.connector.common."
	long, text := int64Schema.opt(), stringSchema.opt()
	count := structSchema("event.collection", 1, stringSchema.as("data_collection"), int64Schema.as("event_count")).opt()
	s.transactionKey = s.wrapKey(common+"TransactionMetadataKey", stringSchema.as("id"))
	s.transactionValue = s.wrapValue(common+"TransactionMetadataValue", stringSchema.as("status"), stringSchema.as("id"), long.as("event_count"),
		arraySchema(count).opt().as("data_collections"), int64Schema.as("ts_ms"))
	s.heartbeatKey = s.wrapKey(common+"ServerNameKey", stringSchema.as("serverName"))
	s.heartbeatValue = s.wrapValue(common+"Heartbeat", int64Schema.as("ts_ms"))

	const connector = "io.debezium.connector.postgresql."
	content := *s.content.schema
	message := structSchema(s.name(connector+"Message"), 1, text.as("prefix"), content.opt().as("content"))
	s.messageKey = s.wrapKey(connector+"MessageKey", text.as("prefix"))
	s.messageValue = s.wrapValue(connector+"MessageValue", stringSchema.as("op"), long.as("ts_ms"), sourceSchema(postgres).as("source"),
		transactionSchema().as("transaction"), message.as("message"))
}

// statementSchemas renders those of statements, which name the connector.
func (s *side) statementSchemas(origin string) (key, value wrapping) {
	connector := "io.debezium.connector." + origin + "."
	text, number, truth := stringSchema.opt(), int32Schema.opt(), booleanSchema.opt()
	const parts = "io.debezium.connector.schema."
	column := structSchema(s.name(parts+"Column"), 1,
		stringSchema.as("name"), int32Schema.as("jdbcType"), number.as("nativeType"), stringSchema.as("typeName"), text.as("typeExpression"),
		text.as("charsetName"), number.as("length"), number.as("scale"), int32Schema.as("position"), truth.as("optional"),
		truth.as("autoIncremented"), truth.as("generated"), text.as("comment"), text.as("defaultValueExpression"), arraySchema(stringSchema).opt().as("enumValues"))
	table := structSchema(s.name(parts+"Table"), 1,
		text.as("defaultCharsetName"), arraySchema(stringSchema).opt().as("primaryKeyColumnNames"), arraySchema(column).as("columns"), text.as("comment")).opt()
	change := structSchema(s.name(parts+"Change"), 1, stringSchema.as("type"), stringSchema.as("id"), table.as("table"))
	return s.wrapKey(connector+"SchemaChangeKey", stringSchema.as("databaseName")),
		s.wrapValue(connector+"SchemaChangeValue", sourceSchema(origin).as("source"), int64Schema.as("ts_ms"), text.as("databaseName"),
			text.as("schemaName"), text.as("ddl"), arraySchema(change).as("tableChanges"))
}

func (s *side) name(name string) string {
	return adjustName(s.f.cfg.Schemas.SchemaNameAdjustmentMode, name, true)
}

func (s *side) wrapKey(name string, fields ...field) wrapping {
	k := structSchema(s.name(name), 1, fields...)
	return wrap(s.f.cfg.Schemas.KeySchemasEnable, &k)
}

func (s *side) wrapValue(name string, fields ...field) wrapping {
	v := structSchema(s.name(name), 1, fields...)
	return wrap(s.f.cfg.Schemas.SchemasEnable, &v)
}
