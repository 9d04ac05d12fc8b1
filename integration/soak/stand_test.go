package soak

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// stand is what stands around the daemon.
type stand struct {
	my     *servers.MySQL
	pg     *servers.Postgres
	kafka  *servers.Kafka
	daemon *harness.Daemon
	now    settings // what the daemon has been told
}

// settings are what changes in the configuration while the daemon runs.
type settings struct {
	level    string // of the log
	interval string // commit.max_interval of the pipeline ledger
	audit    bool   // the pipeline is there
	coupons  bool   // shop has one table more
}

// usual is what the daemon begins with.
var usual = settings{level: "info", interval: "500ms", audit: true}

func startStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{now: usual}
	s.my = servers.MySQLFor(t, servers.MySQLOptions{})
	s.pg = servers.PostgresFor(t, servers.PostgresOptions{})
	s.kafka = servers.KafkaFor(t, servers.KafkaOptions{Proxied: true, Heap: "256m"})
	return s
}

// run starts the daemon; the tables must be there.
func (s *stand) run(t *testing.T) {
	t.Helper()
	s.daemon = harness.StartFor(t, s.yaml())
}

// reload gives the daemon another configuration while it runs, and waits until it has taken it.
func (s *stand) reload(ctx context.Context, now settings) error {
	s.now = now
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second) // pipelines drain while a server may be down
	defer cancel()
	r, err := s.daemon.Reconfigure(ctx, s.yaml())
	if err == nil && r.Result == "refused" {
		err = fmt.Errorf("the configuration was refused: %s", r.Error)
	}
	return err
}

func (s *stand) yaml() string {
	shop := []string{"shop.orders", "shop.items", "shop.documents"}
	if s.now.coupons {
		shop = append(shop, "shop.coupons")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%s], topics: {partitions: 3}}\nlog: {level: %s}\npipelines:\n", strings.Join(s.kafka.Listener(servers.Proxied), ", "), s.now.level)
	fmt.Fprintf(&b, "  - {name: shop, format: debezium-json, preset: flink, source: %s}\n", s.mysql(shop))
	fmt.Fprintf(&b, "  - {name: ledger, format: canal-json, commit: {max_interval: %s}, source: {type: postgres, host: %s, port: %d, database: ledger, user: %s, password: %s, tables: [public.*]}}\n",
		s.now.interval, s.pg.Host(), s.pg.Port(), s.pg.User(), s.pg.Password())
	fmt.Fprintf(&b, "  - {name: bridge, format: plain-json, topic: \"{pipeline}.{table}\", source: {type: kafka, topic_pattern: 'shop\\.shop\\..*', discovery_interval: 2s, format: debezium-json}}\n")
	if s.now.audit {
		fmt.Fprintf(&b, "  - {name: audit, format: plain-json, options: {add_fields: [op]}, mode: changelog, source: %s}\n", s.mysql([]string{"shop.audit"}))
	}
	return b.String()
}

func (s *stand) mysql(tables []string) string {
	return fmt.Sprintf("{type: mysql, host: %s, port: %d, user: %s, password: %s, tables: [%s]}", s.my.Host(), s.my.Port(), s.my.User(), s.my.Password(), strings.Join(tables, ", "))
}

// pipelines are the names of those that must be there.
func (s settings) pipelines() []string {
	names := []string{"shop", "ledger", "bridge"}
	if s.audit {
		names = append(names, "audit")
	}
	return names
}

// caughtUp is an error while a pipeline does not run, or has something left to do.
func (s *stand) caughtUp(ctx context.Context) error {
	all, err := s.daemon.Status(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, p := range all {
		if p.State != "running" || !p.CaughtUp || p.LagSeconds == nil || *p.LagSeconds > 0 {
			return fmt.Errorf("pipeline %s is %s, caught up: %t, %s %s", p.Name, p.State, p.CaughtUp, p.Code, p.Error)
		}
		names = append(names, p.Name)
	}
	if want := s.now.pipelines(); !slices.Equal(names, want) {
		return fmt.Errorf("pipelines %v run, not %v", names, want)
	}
	return nil
}
