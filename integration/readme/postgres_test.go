package readme

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestFirstStepsWithPostgres follows the README with a role that has the documented rights and no others.
func TestFirstStepsWithPostgres(t *testing.T) {
	page := read(t, "README.md")
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	pg := servers.PostgresFor(t, servers.PostgresOptions{Settings: map[string]string{"wal_level": "replica"}})
	preparePostgres(t, pg, page)

	t.Setenv("POSTGRES_PASSWORD", password)
	config := postgresConfiguration(t, page, pg, kafka)
	file := filepath.Join(t.TempDir(), "cdcbridge.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := command(t, "validate", "-c", file); !strings.Contains(out, " 0 problems") {
		t.Errorf("validate found problems:\n%s", out)
	}

	d := harness.StartFor(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if s, err := d.WaitState(ctx, "running", "failed"); err != nil || s.State != "running" {
		t.Fatalf("%+v %v\n%s", s, err, d.Log())
	}
	if err := pg.Exec(ctx, "shop", "INSERT INTO orders VALUES (1, 'Ada', 12.5)"); err != nil {
		t.Fatal(err)
	}
	waitForTopic(ctx, t, kafka, "cdc.public.orders")
	got := command(t, "inspect", "cdc.public.orders", "--from", "earliest", "--max", "1", "-c", d.Config())
	if !strings.Contains(got, "+I cdc.public.orders/") || !strings.Contains(got, `"amount":"12.50"`) {
		t.Errorf("the row is missing in\n%s", got)
	}
	if err := d.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// preparePostgres runs the README's SQL over a database that somebody else owns, and restarts the server as it says.
func preparePostgres(t *testing.T, pg *servers.Postgres, page string) {
	t.Helper()
	db, err := pg.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	statements := []string{"CREATE ROLE shop_owner", "CREATE TABLE orders (id bigint PRIMARY KEY, customer varchar(20), amount numeric(10,2))", "ALTER TABLE orders OWNER TO shop_owner"}
	for s := range strings.SplitSeq(regexp.MustCompile(`--.*`).ReplaceAllString(block(t, page, "sql", "CREATE ROLE"), ""), ";") {
		if s = strings.TrimSpace(s); s != "" {
			statements = append(statements, s)
		}
	}
	if len(statements) < 8 {
		t.Fatalf("only %q", statements)
	}
	for _, s := range statements {
		if err := pg.Exec(t.Context(), "shop", s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := pg.Restart(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// postgresConfiguration is the README's with its other source, and with the addresses filled in.
func postgresConfiguration(t *testing.T, page string, pg *servers.Postgres, kafka *servers.Kafka) string {
	t.Helper()
	config := block(t, page, "yaml", "pipelines:")
	source := strings.Replace(block(t, page, "yaml", "type: postgres"), "host: localhost", fmt.Sprintf("host: %s, port: %d", pg.Host(), pg.Port()), 1)
	whole := regexp.MustCompile(`(?m)^    source:\n(      .*\n)+`)
	if !whole.MatchString(config) {
		t.Fatalf("no source in\n%s", config)
	}
	config = whole.ReplaceAllLiteralString(config, source)
	return strings.Replace(config, "brokers: [localhost:9092]", "brokers: ["+strings.Join(kafka.Brokers(), ", ")+"]", 1)
}
