package postgres

import "cdcbridge/capture"

// Kind is this package's row of the wiring table.
func Kind() capture.Kind { return capture.Kind{Name: "postgres", Config: NewConfig} }
