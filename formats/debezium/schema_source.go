package debezium

// sourceSchema is the schema of the source block that the connector for one kind of database writes.
func sourceSchema(origin string) schema {
	long, text := int64Schema.opt(), stringSchema.opt()
	s := structSchema("io.debezium.connector."+origin+".Source", 1,
		stringSchema.as("version"), stringSchema.as("connector"), stringSchema.as("name"), int64Schema.as("ts_ms"), snapshotSchema().as("snapshot"),
		stringSchema.as("db"), text.as("sequence"), long.as("ts_us"), long.as("ts_ns"))
	if origin == postgres {
		s.fields = append(s.fields, stringSchema.as("schema"), stringSchema.as("table"), long.as("txId"), long.as("lsn"), long.as("xmin"),
			text.as("origin"), long.as("origin_lsn"))
		return s
	}
	s.fields = append(s.fields, text.as("table"), int64Schema.as("server_id"), text.as("gtid"), stringSchema.as("file"), int64Schema.as("pos"),
		int32Schema.as("row"), long.as("thread"), text.as("query"))
	return s
}

// snapshotSchema names the places in a snapshot, in the order of Debezium's own list.
func snapshotSchema() schema {
	s := enumSchema("true,first,first_in_data_collection,last_in_data_collection,last,false,incremental").opt()
	s.def = []byte(`"false"`)
	return s
}

func enumSchema(labels string) schema {
	return stringSchema.named("io.debezium.data.Enum").with("allowed", labels)
}

// transactionSchema is that of the transaction block of a row.
func transactionSchema() schema {
	return structSchema("event.block", 1, stringSchema.as("id"), int64Schema.as("total_order"), int64Schema.as("data_collection_order")).opt()
}

// envelopeSchema is that of the values of a table's records.
func envelopeSchema(name string, before, after schema, origin string) schema {
	long := int64Schema.opt()
	return structSchema(name, 2, before.as("before"), after.as("after"), sourceSchema(origin).as("source"),
		transactionSchema().as("transaction"), stringSchema.as("op"), long.as("ts_ms"), long.as("ts_us"), long.as("ts_ns"))
}
