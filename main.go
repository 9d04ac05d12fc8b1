// Command cdcbridge moves row changes from databases into compacted Kafka topics, exactly once.
//
// This file is the wiring table: which sources and formats there are. Everything else is in the packages below.
package main

import (
	"os"

	"cdcbridge/capture"
	"cdcbridge/capture/kafka"
	"cdcbridge/capture/mysql"
	"cdcbridge/capture/postgres"
	"cdcbridge/formats"
	"cdcbridge/formats/canal"
	"cdcbridge/formats/debezium"
	"cdcbridge/formats/plain"
	"cdcbridge/internal/cli"
	"cdcbridge/internal/config"
)

// version is set at build time by -ldflags "-X main.version=…".
var version = "dev"

func registry() config.Registry {
	return config.Registry{
		Sources: []capture.Kind{mysql.Kind(), mysql.KindMariaDB(), postgres.Kind(), kafka.Kind()},
		Formats: []formats.Kind{debezium.Kind(), canal.Kind(), plain.Kind()},
	}
}

func main() { os.Exit(cli.Main(registry(), version, os.Args[1:])) }
