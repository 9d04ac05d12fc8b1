package endtoend

import (
	"fmt"
	"time"
)

// toolKinds are what tools for schema changes do while the table is in use.
var toolKinds = []stormKind{
	{"gh-ost", "", false, func(b *bolt) { b.ghost() }},
	{"pt-online-schema-change", "", false, func(b *bolt) { b.percona() }},
}

// shadow makes a copy of the table without rows in a new form, and gives the columns that both have.
func (b *bolt) shadow(name string) (common string) {
	b.dof("CREATE TABLE %s LIKE %s", name, b.ref)
	c, k, n := b.fresh()
	change := fmt.Sprintf("ADD COLUMN %s %s", c, definition(b.r, k, n))
	if b.r.IntN(2) == 0 {
		change = fmt.Sprintf("ADD COLUMN %s %s FIRST", c, filled(b.r, k, n))
	}
	var dropped string
	if d := b.now.one(b.r, "isbetj"); d != nil && len(b.now) > 6 {
		change, dropped = fmt.Sprintf("DROP COLUMN %s, %s", quoted(d.name), change), d.name
	} else if d != nil {
		change = fmt.Sprintf("MODIFY %s %s, %s", quoted(d.name), definition(b.r, d.kind, d.number), change)
	}
	b.do("ALTER TABLE " + name + " " + change)
	var keep shape
	for _, c := range b.now {
		if c.name != dropped {
			keep = append(keep, c)
		}
	}
	b.now = keep
	return keep.names("")
}

// copyRows copies what is there in pieces, as the tools do.
func (b *bolt) copyRows(to, columns string) {
	for from := 0; from < 400; from += 40 {
		b.dof("INSERT LOW_PRIORITY IGNORE INTO %s (%s) SELECT %s FROM %s FORCE INDEX (PRIMARY) WHERE id >= %d AND id < %d LOCK IN SHARE MODE /* chunk */", to, columns, columns, b.ref, from, from+40)
	}
}

// ghost changes the table by a shadow that follows the log, and swaps them while the table is locked: whoever waits for the lock
// finds the other table.
func (b *bolt) ghost() {
	shadow, old, changelog := "storm._"+b.table+"_gho", "storm._"+b.table+"_del", "storm._"+b.table+"_ghc"
	b.dof("DROP TABLE IF EXISTS %s, %s, %s", shadow, old, changelog)
	b.dof("CREATE TABLE %s (id BIGINT AUTO_INCREMENT, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, hint VARCHAR(64) CHARSET ascii NOT NULL, value VARCHAR(4096) CHARSET ascii NOT NULL, PRIMARY KEY (id), UNIQUE KEY hint_uidx (hint)) AUTO_INCREMENT=256", changelog)
	columns := b.shadow(shadow)
	b.dof("INSERT INTO %s (hint, value) VALUES ('state', 'GhostTableMigrated')", changelog)
	b.copyRows(shadow, columns)
	b.dof("CREATE TABLE %s (id INT PRIMARY KEY) COMMENT='ghost-cut-over-sentry'", old)
	if b.err != nil {
		return
	}
	b.dof("LOCK TABLES %s WRITE, %s WRITE, %s WRITE", b.ref, old, shadow)
	// what was written meanwhile
	b.dof("DELETE FROM %s WHERE id NOT IN (SELECT id FROM %s)", shadow, b.ref)
	b.dof("REPLACE INTO %s (%s) SELECT %s FROM %s", shadow, columns, columns, b.ref)
	swapped := make(chan error, 1)
	if b.err == nil {
		rename := fmt.Sprintf("RENAME /* gh-ost */ TABLE %s TO %s, %s TO %s", b.ref, old, shadow, b.ref)
		go func() {
			_, err := b.db.ExecContext(b.ctx, rename)
			swapped <- err
		}()
		b.waitBehind("RENAME /* gh-ost */%")
		b.dof("DROP TABLE IF EXISTS %s", old)
	} else {
		swapped <- nil
	}
	_, err := b.conn.ExecContext(b.ctx, "UNLOCK TABLES")
	for _, e := range []error{err, <-swapped} {
		if b.err == nil {
			b.err = e
		}
	}
	b.dof("DROP TABLE IF EXISTS %s, %s", old, changelog)
}

// waitBehind waits until a statement stands behind a lock.
func (b *bolt) waitBehind(statement string) {
	for end := time.Now().Add(5 * time.Second); b.err == nil && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		n := 0
		b.err = b.db.QueryRowContext(b.ctx, "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%' AND info LIKE ?", statement).Scan(&n)
		if n > 0 {
			return
		}
	}
}

// percona changes the table by a copy that triggers keep up with it, and swaps them.
func (b *bolt) percona() {
	copied, old := "storm._"+b.table+"_new", "storm._"+b.table+"_old"
	b.dof("DROP TABLE IF EXISTS %s, %s", copied, old)
	columns := b.shadow(copied)
	replace := fmt.Sprintf("REPLACE INTO %s (%s) VALUES (%s)", copied, columns, b.now.names("NEW."))
	for name, body := range map[string]string{
		"del": "AFTER DELETE ON " + b.ref + " FOR EACH ROW DELETE IGNORE FROM " + copied + " WHERE " + copied + ".id <=> OLD.id",
		"upd": "AFTER UPDATE ON " + b.ref + " FOR EACH ROW BEGIN DELETE IGNORE FROM " + copied + " WHERE !(OLD.id <=> NEW.id) AND " + copied + ".id <=> OLD.id; " + replace + "; END",
		"ins": "AFTER INSERT ON " + b.ref + " FOR EACH ROW " + replace,
	} {
		b.do("CREATE TRIGGER storm.pt_osc_" + name + " " + body)
	}
	b.copyRows(copied, columns)
	if b.err == nil {
		b.dof("RENAME TABLE %s TO %s, %s TO %s", b.ref, old, copied, b.ref)
		b.dof("DROP TABLE IF EXISTS %s", old)
	}
	for _, name := range []string{"del", "upd", "ins"} { // those of the old table are gone with it
		if _, err := b.conn.ExecContext(b.ctx, "DROP TRIGGER IF EXISTS storm.pt_osc_"+name); err != nil && b.err == nil {
			b.err = err
		}
	}
}
