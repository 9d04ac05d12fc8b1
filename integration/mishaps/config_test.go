package mishaps

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// TestNoDaemon meets what keeps the daemon from starting at all, which nobody can ask then: its last words and its exit code tell.
func TestNoDaemon(t *testing.T) {
	const pipeline = `
kafka: {brokers: ["127.0.0.1:1"]}
pipelines: [{name: nowhere, source: {type: mysql, host: 127.0.0.1, port: 1, user: nobody, tables: [shop.*]}, format: debezium-json}]
`
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct{ config, word string }{
		"unknown key":     {strings.Replace(pipeline, "brokers", "brokerz", 1), "kafka.brokerz"},
		"no YAML":         {"kafka: [", "line 1"},
		"address taken":   {pipeline + fmt.Sprintf("http: {listen: %q}\n", taken.Addr()), taken.Addr().String()},
		"no such address": {pipeline + "http: {listen: \"192.0.2.1:8083\"}\n", "192.0.2.1:8083"},
	} {
		t.Run(name, func(t *testing.T) {
			file := harness.ConfigFile(t, c.config)
			exit, out, errs := harness.Command(t, "run", "-c", file)
			if exit != 3 || out != "" {
				t.Errorf("it ends with %d and prints %q", exit, out)
			}
			for _, words := range []string{"cdcbridge: config: ", c.word, "\nWhat to do: ", "\nMore: docs/errors.md#config\n"} {
				if !strings.Contains(errs, words) {
					t.Errorf("its last words lack %q: %s", words, errs)
				}
			}
			if strings.Contains(name, "address") {
				return // nothing that a look at the file can find
			}
			exit, out, errs = harness.Command(t, "validate", "--offline", "-c", file, "-o", "json")
			var doc struct {
				Findings []struct{ Severity, Code, Subject string }
			}
			if err := json.Unmarshal([]byte(out), &doc); err != nil || exit != 3 || len(doc.Findings) == 0 || doc.Findings[0].Code != "config" {
				t.Errorf("validate ends with %d, %v: %s%s", exit, err, out, errs)
			}
		})
	}
}
