package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Replicate makes this server a replica of the other, of the same product and of the same or an older version, by GTID and
// from all that it lacks; it goes on after Restart. What the primary wrote to its log without the binary log (the account it/it) both have.
func (m *MySQL) Replicate(ctx context.Context, primary *MySQL) error {
	var change, start string
	switch {
	case m.MariaDB():
		change, start = "CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos", "START SLAVE"
	case m.options.Version == "57":
		change, start = "CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_CONNECT_RETRY=1, MASTER_AUTO_POSITION=1", "START SLAVE"
	default:
		change, start = "CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%d, SOURCE_USER='%s', SOURCE_PASSWORD='%s', SOURCE_CONNECT_RETRY=1, SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1", "START REPLICA"
	}
	return m.run(ctx, "replicating from "+primary.Addr(), fmt.Sprintf(change, primary.Host(), primary.Port(), User, Password), start)
}

// StopReplicating ends what Replicate began: the server is a primary of its own from then on.
func (m *MySQL) StopReplicating(ctx context.Context) error {
	word := "REPLICA"
	if m.MariaDB() || m.options.Version == "57" {
		word = "SLAVE"
	}
	return m.run(ctx, "ending the replication", "STOP "+word, "RESET "+word+" ALL")
}

// CatchUp returns when this replica has applied all that the primary has in its log at the moment of the call.
func (m *MySQL) CatchUp(ctx context.Context, primary *MySQL) error {
	ask, wait := "SELECT @@GLOBAL.gtid_executed", "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)"
	if m.MariaDB() {
		ask, wait = "SELECT @@GLOBAL.gtid_binlog_pos", "SELECT MASTER_GTID_WAIT(?, ?)"
	}
	from, err := primary.connect("")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := m.connect("")
	if err != nil {
		return err
	}
	defer to.Close()
	var position string
	if err := from.QueryRowContext(ctx, ask).Scan(&position); err != nil {
		return fmt.Errorf("asking %s for its position: %w", primary.Addr(), err)
	}
	var late sql.NullInt64
	if err := to.QueryRowContext(ctx, wait, position, (60 * time.Second).Seconds()).Scan(&late); err != nil {
		return fmt.Errorf("waiting for %s at %s: %w", position, m.Addr(), err)
	}
	if !late.Valid || late.Int64 != 0 {
		return fmt.Errorf("waiting for %s at %s: %w", position, m.Addr(), errors.New("not there after a minute, or the replication has ended"))
	}
	return nil
}

// run runs statements one after the other in one session.
func (m *MySQL) run(ctx context.Context, doing string, statements ...string) error {
	db, err := m.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer conn.Close()
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	return nil
}
