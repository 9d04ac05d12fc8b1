package harness

import (
	"net"
	"strconv"
	"testing"
	"time"

	"cdcbridge/integration/servers"
)

// TestPortOfADaemon: nothing else may get the port of a daemon that is about to listen, not even a connection to elsewhere, for which the kernel takes
// any port that is free. It is free again when the daemon is gone.
func TestPortOfADaemon(t *testing.T) {
	d := StartFor(t, `
kafka: {brokers: ["127.0.0.1:1"]}
pipelines: [{name: nowhere, source: {type: mysql, host: 127.0.0.1, port: 1, user: nobody, tables: [shop.*]}, format: debezium-json}]`)
	_, text, err := net.SplitHostPort(d.HTTP())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port >= 32768 {
		t.Errorf("port %s, %v", text, err)
	}
	StateFor(t, d, 30*time.Second, "retrying")
	if _, err := servers.ReservePort(port); err == nil {
		t.Error("somebody else gets the port of a daemon that runs")
	}
	d.Kill()
	if _, err := servers.ReservePort(port); err != nil {
		t.Error(err)
	}
	if err := servers.ReleasePort(port); err != nil {
		t.Error(err)
	}
}
