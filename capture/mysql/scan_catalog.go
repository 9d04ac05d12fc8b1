package mysql

import (
	"fmt"
	"regexp"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/internal/fault"
)

// hold keeps everybody from changing the definition of a table until the end of the transaction, and gives the server's clock
// and the statement that would make the table. It fails with ErrTableGone, a permission fault or NotYet. It names all columns,
// because an account with rights on some of them would be shown these only.
func (r *reader) hold(name tableName) (clock, create string, err error) {
	rows, err := r.conn.query("SELECT NOW(6), (SELECT 1 FROM (SELECT * FROM " + name.sql() + ") x WHERE FALSE)")
	if err != nil {
		return "", "", r.tableFault(name, err)
	}
	clock = rows[0][0]
	if rows, err = r.conn.query("SHOW CREATE TABLE " + name.sql()); err != nil {
		return "", "", r.tableFault(name, err)
	}
	return clock, withoutCounter(rows[0][1]), nil
}

var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// withoutCounter takes out of the options of a table what each new row changes.
func withoutCounter(create string) string {
	options := strings.LastIndex(create, "\n)")
	if options < 0 {
		return create
	}
	return create[:options] + counter.ReplaceAllString(create[options:], "")
}

// describe reads what a table that is held looks like.
func (r *reader) describe(name tableName) (*schema.Table, error) {
	t, err := r.conn.describe(name)
	if err != nil {
		return nil, r.tableFault(name, err)
	}
	return t, nil
}

// tableFault gives an error of a statement about one table its meaning.
func (r *reader) tableFault(name tableName, err error) error {
	switch errorCode(err) {
	case 1146, 1049, 1109, 1347: // no such table, no such database, unknown table, not a base table
		return capture.ErrTableGone
	case 1044, 1142, 1143, 1370:
		return fault.NewFinal(fault.Permission, "reading "+name.String(), err, fmt.Sprintf("Run GRANT SELECT ON %s TO %s.", name.sql(), account(r.src.cfg.User)))
	case 1205: // lock_wait_timeout
		return capture.NotYet{Why: "a statement that changes the definition of " + name.String() + " is running or waiting"}
	}
	return err
}

func account(user string) string { return quote(user) + "@'%'" }

func (t tableName) sql() string { return quoteName(t.database) + "." + quoteName(t.name) }

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
