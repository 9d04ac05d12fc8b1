package mysql

import "cdcbridge/capture"

// Kind is this package's row of the wiring table.
func Kind() capture.Kind { return capture.Kind{Name: "mysql", Config: NewConfig} }

// KindMariaDB is a second name of the same kind: what the server says of itself decides.
func KindMariaDB() capture.Kind { return capture.Kind{Name: "mariadb", Config: NewConfig} }
