package differential

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// script is one file of statements, as a server runs them.
type script struct {
	tables []string   // before anybody reads
	stream [][]string // when the tables have been read, and each part when the one before has been; the last of a part is a row in zz_done
}

// readScript reads testdata/name for one server: "mysql", "maria", or a version of PostgreSQL.
func readScript(t *testing.T, name, server string) script {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var s script
	into, statement := &s.tables, ""
	part := func() {
		s.stream = append(s.stream, nil)
		into = &s.stream[len(s.stream)-1]
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if comment, ok := strings.CutPrefix(line, "-- "); ok {
			if line = meant(comment, server); comment == "stream" || comment == "wait" {
				part()
			}
		}
		statement += line + "\n"
		if strings.HasSuffix(line, ";") {
			*into = append(*into, strings.TrimSpace(statement))
			statement = ""
		}
	}
	if statement = strings.TrimSpace(statement); statement != "" {
		t.Fatalf("%s ends within the statement %s", name, statement)
	}
	return s
}

// apart is the script with a part more before each statement that changes a table: what a table's columns are beside their types only the catalogue says, which must
// not have gone on when it is asked.
func (s script) apart() script {
	out := script{tables: s.tables}
	marks := 100
	for _, part := range s.stream {
		var now []string
		for _, statement := range part {
			if changesTable.MatchString(statement) && len(now) > 0 {
				marks++
				out.stream = append(out.stream, append(now, fmt.Sprintf("INSERT INTO zz_done VALUES (%d);", marks)))
				now = nil
			}
			now = append(now, statement)
		}
		out.stream = append(out.stream, now)
	}
	return out
}

// meant is the statement in a comment that is for this server, or nothing.
func meant(comment, server string) string {
	condition, statement, ok := strings.Cut(comment, ": ")
	if !ok {
		return ""
	}
	if since, ok := strings.CutPrefix(condition, "since "); ok {
		least, err := strconv.Atoi(since)
		has, err2 := strconv.Atoi(server)
		if err == nil && err2 == nil && has >= least {
			return statement
		}
		return ""
	}
	if condition == server {
		return statement
	}
	return ""
}

// run executes statements in one session.
func (d *database) run(ctx context.Context, t *testing.T, statements []string) {
	t.Helper()
	conn, err := d.db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if d.version == "" {
		var session int64
		if err := conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&session); err != nil {
			t.Fatal(err)
		}
		d.sessions = append(d.sessions, session)
	}
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			t.Fatal(fmt.Errorf("running %.200s: %w", s, err))
		}
	}
}
