package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed sql/*.sql
var scripts embed.FS

// selected is what SELECT returned for the tables whose rows a binlog file holds.
type selected struct {
	Server string           `json:"server"`
	Tables map[string]table `json:"tables"`
}

type table struct {
	Columns []columnText `json:"columns"`
	Key     []string     `json:"key,omitempty"` // columns of the primary key
	Rows    [][]*string  `json:"rows"`          // in the order of id; nil is NULL
}

type columnText struct {
	Name      string `json:"name"`
	Type      string `json:"type"` // COLUMN_TYPE
	Nullable  bool   `json:"nullable,omitempty"`
	Generated bool   `json:"generated,omitempty"`
	Invisible bool   `json:"invisible,omitempty"`
	Charset   string `json:"charset,omitempty"`
}

// binlogs runs the scripts on each server and keeps the binlog file and the selected text of each.
func binlogs(ctx context.Context, out string, args []string) error {
	for _, arg := range args {
		server, dir, _ := strings.Cut(arg, "=")
		db, conn, err := open(ctx, server)
		if err != nil {
			return err
		}
		defer db.Close()
		for _, name := range []string{"types", "tables", "refused", "charsets", "random"} {
			var text string
			switch name {
			case "charsets":
				text, err = charsetScript(ctx, conn)
			case "random":
				text = randomScript()
			default:
				var b []byte
				b, err = scripts.ReadFile("sql/" + name + ".sql")
				text = string(b)
			}
			if err != nil {
				return err
			}
			if err := record(ctx, conn, dir, filepath.Join(out, "testdata"), name, text); err != nil {
				return fmt.Errorf("recording %s on %s: %w", name, server, err)
			}
		}
	}
	return nil
}

func record(ctx context.Context, conn *sql.Conn, datadir, out, name, script string) error {
	var version, file string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+"; CREATE DATABASE "+name+"; USE "+name+"; SET NAMES utf8mb4; SET sql_mode=''; FLUSH BINARY LOGS"); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "SELECT SUBSTRING_INDEX(@@log_bin_basename,'/',-1)").Scan(&file); err != nil {
		return err
	}
	logs, err := conn.QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return err
	}
	for logs.Next() {
		var size, encrypted string
		if err := logs.Scan(&file, &size, &encrypted); err != nil {
			return err
		}
	}
	if err := logs.Err(); err != nil {
		return err
	}
	if script, err = forServer(script, version); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, script); err != nil {
		return err
	}
	s, err := selectAll(ctx, conn, name)
	if err != nil {
		return err
	}
	s.Server = version
	if _, err := conn.ExecContext(ctx, "FLUSH BINARY LOGS"); err != nil {
		return err
	}
	log, err := os.ReadFile(filepath.Join(datadir, file))
	if err != nil {
		return err
	}
	major := strings.Join(strings.SplitN(version, ".", 3)[:2], ".")
	base := filepath.Join(out, name+"-"+major)
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := writePacked(base+".binlog.gz", log); err != nil {
		return err
	}
	return writePacked(base+".json.gz", append(text, '\n'))
}

// forServer uncomments the lines that begin with "-- since 80300:" when the server is that new.
func forServer(script, version string) (string, error) {
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return "", fmt.Errorf("reading the version %q: %w", version, err)
	}
	lines := strings.Split(script, "\n")
	for i, line := range lines {
		since, sql, ok := strings.Cut(strings.TrimPrefix(line, "-- since "), ": ")
		if n, err := strconv.Atoi(since); ok && err == nil && major*10000+minor*100+patch >= n {
			lines[i] = sql
		}
	}
	return strings.Join(lines, "\n"), nil
}

func writePacked(path string, data []byte) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(data); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

func selectAll(ctx context.Context, conn *sql.Conn, schema string) (selected, error) {
	s := selected{Tables: map[string]table{}}
	names, err := textColumn(ctx, conn, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=?", schema)
	if err != nil {
		return s, err
	}
	for _, name := range names {
		t, err := selectTable(ctx, conn, schema, name)
		if err != nil {
			return s, fmt.Errorf("selecting %s: %w", name, err)
		}
		s.Tables[name] = t
	}
	return s, nil
}

func textColumn(ctx context.Context, conn *sql.Conn, query string, args ...any) ([]string, error) {
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func selectTable(ctx context.Context, conn *sql.Conn, schema, name string) (table, error) {
	var t table
	var err error
	t.Key, err = textColumn(ctx, conn, "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=? AND TABLE_NAME=? AND INDEX_NAME='PRIMARY' ORDER BY SEQ_IN_INDEX", schema, name)
	if err != nil {
		return t, err
	}
	cols, err := conn.QueryContext(ctx, `SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE='YES', EXTRA LIKE '%GENERATED%' AND EXTRA NOT LIKE 'DEFAULT%', EXTRA LIKE '%INVISIBLE%', IFNULL(CHARACTER_SET_NAME,''), DATA_TYPE
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=? AND TABLE_NAME=? ORDER BY ORDINAL_POSITION`, schema, name)
	if err != nil {
		return t, err
	}
	defer cols.Close()
	var exprs []string
	for cols.Next() {
		var c columnText
		var dataType string
		if err := cols.Scan(&c.Name, &c.Type, &c.Nullable, &c.Generated, &c.Invisible, &c.Charset, &dataType); err != nil {
			return t, err
		}
		t.Columns = append(t.Columns, c)
		exprs = append(exprs, expression("`"+strings.ReplaceAll(c.Name, "`", "``")+"`", strings.ToLower(dataType)))
	}
	if err := cols.Err(); err != nil {
		return t, err
	}
	rows, err := conn.QueryContext(ctx, "SELECT "+strings.Join(exprs, ", ")+" FROM `"+name+"` ORDER BY id")
	if err != nil {
		return t, err
	}
	defer rows.Close()
	for rows.Next() {
		row := make([]*string, len(exprs))
		dest := make([]any, len(exprs))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return t, err
		}
		t.Rows = append(t.Rows, row)
	}
	return t, rows.Err()
}

// expression shows a column as text without loss.
func expression(column, dataType string) string {
	switch dataType {
	case "float":
		return "CAST(" + column + " AS DOUBLE)" // the column itself is printed with six digits
	case "bit":
		return column + "+0"
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection":
		return "HEX(" + column + ")"
	case "enum", "set":
		return "CONCAT(CAST(" + column + " AS UNSIGNED), ':', CONVERT(" + column + " USING utf8mb4))"
	}
	return column
}
