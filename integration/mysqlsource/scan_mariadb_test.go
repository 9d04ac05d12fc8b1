package mysqlsource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/integration/servers"
)

// mariadbTypes is what only MariaDB has. VECTOR is there from 11.7 on, and ROW_FORMAT=COMPRESSED has nothing to do with COMPRESSED.
const mariadbTypes = "\nCREATE TABLE addresses (id INT PRIMARY KEY, u UUID, a INET6, b INET4, raw BINARY(16));\n" +
	"INSERT INTO addresses VALUES (1,'123e4567-e89b-12d3-a456-426655440000','2001:db8::ff00:42:8329','192.168.0.1',x'00112233445566778899aabbccddeeff'),(2,'00000000-0000-0000-0000-000000000000','::','0.0.0.0',''),(3,NULL,NULL,NULL,NULL),(4,'ffffffff-ffff-ffff-ffff-ffffffffffff','::ffff:1.2.3.4','255.255.255.255',x'ff'),(5,UUID(),'fe80::1','10.0.0.7','text'),(6,UUID(),'::1.2.3.4','10.0.0.8',x'2020'),(7,UUID(),'1:0:0:2:0:0:0:3','1.2.3.4',x'20'),(8,UUID(),'1:0:2:3:4:5:6:7','1.2.3.4',x'20');\n" +
	"CREATE TABLE addresses4 (id INT PRIMARY KEY, b INET4, u UUID);\nINSERT INTO addresses4 VALUES (1,'1.2.3.4',NULL);\n" +
	"CREATE TABLE uuids (u UUID PRIMARY KEY, a INET6 NOT NULL);\nINSERT INTO uuids VALUES (UUID(),'::1'),(UUID(),'::2'),('123e4567-e89b-12d3-a456-426655440000','::3');\n" +
	"CREATE TABLE squeezed (id INT PRIMARY KEY, v VARCHAR(2000) COMPRESSED, w VARBINARY(2000) COMPRESSED, t TEXT COMPRESSED, l LONGTEXT COMPRESSED CHARACTER SET latin1, b BLOB COMPRESSED, m MEDIUMBLOB COMPRESSED, tt TINYTEXT COMPRESSED) DEFAULT CHARSET utf8mb4;\n" +
	"INSERT INTO squeezed VALUES (1,REPEAT('ü€😀',100),REPEAT(x'00ff',500),REPEAT('long ',2000),REPEAT('ÄÖ',30000),REPEAT(x'0001',9000),REPEAT('m',100000),REPEAT('t',200)),(2,'','','','','','',''),(3,NULL,NULL,NULL,NULL,NULL,NULL,NULL),(4,'short','s','s','s','s','s','s');\n" +
	"CREATE TABLE hidden (id INT PRIMARY KEY, a INT INVISIBLE DEFAULT 5, v INT AS (id*2) VIRTUAL, p INT AS (id*3) PERSISTENT, w VARCHAR(10) AS (CONCAT('n',id)) STORED, z INT);\nINSERT INTO hidden (id,z) VALUES (1,2),(2,NULL);\nUPDATE hidden SET z=7 WHERE id=2;\n" +
	"CREATE TABLE jsons (id INT PRIMARY KEY, j JSON, k JSON NOT NULL DEFAULT '{}') DEFAULT CHARSET latin1;\nINSERT INTO jsons VALUES (1,'{\"b\": 1,  \"a\":[true, \"é😀\"]}','[]'),(2,NULL,'null'),(3,' 1.50 ','\"x\"');\n" +
	"CREATE TABLE uca (id INT PRIMARY KEY, a VARCHAR(20) COLLATE utf8mb4_uca1400_ai_ci, b VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_uca1400_swedish_as_cs, c CHAR(9) CHARACTER SET utf16 COLLATE utf16_uca1400_nopad_ai_ci, d TEXT CHARACTER SET latin1 COLLATE latin1_swedish_nopad_ci, e ENUM('a','Ä') CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_as_ci, f SET('x','ß') CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin);\n" +
	"INSERT INTO uca VALUES (1,'Ä😀','ÄÖ','жук','é','Ä','x,ß'),(2,'a ','a ','a ','a ','a','');\n" +
	"CREATE TABLE micros (id INT PRIMARY KEY, t TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), d DATETIME(6), y YEAR, c DECIMAL(38,38), far TIMESTAMP NULL);\nINSERT INTO micros VALUES (1,'2024-05-06 07:08:09.123456','9999-12-31 23:59:59.999999',24,0.1,'2038-01-19 03:14:07'),(2,'2024-05-06 07:08:09','0000-00-00',NULL,-0.5,NULL);\n" +
	"CREATE TABLE vecs (id INT PRIMARY KEY, v VECTOR(3) NOT NULL, w VECTOR(2));\nINSERT INTO vecs VALUES (1,VEC_FromText('[1,2.5,-3]'),VEC_FromText('[0.1,1e30]')),(2,VEC_FromText('[0,0,0]'),NULL);\n" +
	"CREATE TABLE far_stamps (id INT PRIMARY KEY, t TIMESTAMP NULL);\nINSERT INTO far_stamps VALUES (1,'2105-12-31 00:00:00');\n" +
	"CREATE TABLE spot (id INT PRIMARY KEY, g GEOMETRY, p POINT, q POLYGON, r GEOMETRY REF_SYSTEM_ID=4326);\nINSERT INTO spot VALUES (1,ST_GeomFromText('POINT(1 2)',4326),POINT(1,2),ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'),ST_GeomFromText('LINESTRING(0 0,1 1)',4326)),(2,NULL,NULL,NULL,NULL)"

// TestScanAheadOfCommits: the place that MariaDB gives for the end of what is visible lies beyond a transaction that nobody sees, when the
// transaction's own group of commits has rotated the log and waits for a semi-synchronous replica. A read that went by it would lose
// the transaction.
func TestScanAheadOfCommits(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"maria1011", "maria118"} {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--max-binlog-size=4096"}})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", "INSERT INTO t VALUES (1,'old'),(2,'old')")
			s := scan(t, b.config(), false)
			r, table := s.reader(), s.table("t")
			b.commit()
			release := b.semisync()
			done := b.background("UPDATE t SET v=REPEAT('x',6000) WHERE id=1")
			until(t, "held update", func() bool { return s.streamed() == 1 })
			pending(t, done)
			if place := b.query("SELECT CONCAT(f.VARIABLE_VALUE,':',p.VARIABLE_VALUE) FROM information_schema.GLOBAL_STATUS f, information_schema.GLOBAL_STATUS p WHERE f.VARIABLE_NAME='Binlog_snapshot_file' AND p.VARIABLE_NAME='Binlog_snapshot_position'"); capture.Place(place) != endOfLog(t, b) {
				t.Errorf("the place %s is not the end of the log: this server can be believed, and the test proves nothing", place)
			}
			for range 3 {
				if rows, _, err := scanOnce(t, r, s.chunk(table)); !errors.As(err, new(capture.NotYet)) {
					t.Fatalf("a held transaction: %q %v", rows, err)
				}
			}
			release()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if rows, _, err := scanOnce(t, r, s.chunk(table)); err != nil || !strings.HasPrefix(rows, "1,xxxxxx") {
				t.Errorf("after it: %.40q %v", rows, err)
			}
		})
	}
}

// TestScanXACommits reads a row again and again while XA transactions change it: between the log and InnoDB the commit of one is to
// be seen by those who read the log and by nobody else, for a moment.
func TestScanXACommits(t *testing.T) {
	b := newBench(t, servers.MySQLOptions{Version: "maria118"})
	b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,0)")
	s := scan(t, b.config(), false)
	c, err := b.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b.commit()
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 2 { // whose commits come between
		others.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.db.ExecContext(ctx, "INSERT INTO other.passing VALUES ()"); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			for _, text := range []string{"XA START 'x%d'", "UPDATE t SET v=%d WHERE id=1", "XA END 'x%d'", "XA PREPARE 'x%d'", "XA COMMIT 'x%d'"} {
				if _, err := c.ExecContext(context.Background(), fmt.Sprintf(text, i)); err != nil {
					ended <- err
					return
				}
			}
		}
	}()
	r, table, reads := s.reader(), s.table("t"), 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		chunk := s.chunk(table)
		chunk.UpTo, chunk.Bytes = "", 1
		least := s.streamed()
		chunk.Seen = s.position()
		rows, _, err := scanOnce(t, r, chunk)
		if errors.As(err, new(capture.NotYet)) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var id, v int
		if _, err := fmt.Sscanf(rows, "%d,%d", &id, &v); err != nil {
			t.Fatalf("%q: %v", rows, err)
		}
		if reads++; v < least {
			t.Fatalf("the stream has shown version %d, and the read %d", least, v)
		}
	}
	close(stop)
	cancel()
	others.Wait()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d reads of %d versions", reads, s.streamed())
	if reads < 20 {
		t.Errorf("only %d reads", reads)
	}
}
