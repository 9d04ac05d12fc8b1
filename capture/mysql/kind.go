package mysql

import "cdcbridge/capture"

// Kind is this package's row of the wiring table.
func Kind() capture.Kind { return capture.Kind{Name: "mysql", Config: NewConfig} }
