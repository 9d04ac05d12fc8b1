-- What Canal and cdcbridge read after mysql.sql: events that have a form of their own in Canal's messages. A table whose name begins with log_ or keyless is in
-- mode changelog everywhere.
SET SESSION sql_mode = '', time_zone = '+00:00';
CREATE TABLE pairs (id INT PRIMARY KEY, a VARCHAR(10), note VARCHAR(20), u INT UNSIGNED, s SET('a','b'), j JSON);
INSERT INTO pairs VALUES (1,'one','n',1,'a',NULL), (2,'two','',4294967295,NULL,'1'), (3,NULL,NULL,0,'a,b','{}'), (4,'four','x',3000000000,'','null');
UPDATE pairs SET a = IF(id=1,'new',a), note = IF(id=1,note,'new'), u = u DIV 2;
UPDATE pairs SET note = NULL WHERE id = 1;
UPDATE pairs SET note = '', a = NULL WHERE id = 1;
UPDATE pairs SET u = 4294967295, s = NULL, j = '[1]' WHERE id = 2;
UPDATE pairs SET u = 1, s = 'b', j = NULL WHERE id = 2;
UPDATE pairs SET id = id + 10 WHERE id IN (3, 4);
DELETE FROM pairs WHERE id IN (1, 2);
REPLACE INTO pairs VALUES (13,'thirteen',NULL,1,'a','2'), (5,'five',NULL,1,'a','2');
CREATE TABLE two_keys (region VARCHAR(5), code INT, v INT, UNIQUE KEY (v), PRIMARY KEY (code, region));
INSERT INTO two_keys VALUES ('eu',1,10), ('us',2,20);
UPDATE two_keys SET v = 11 WHERE code = 1;
UPDATE two_keys SET region = 'us', code = 9 WHERE code = 1;
REPLACE INTO two_keys VALUES ('us',3,20);
DELETE FROM two_keys;
CREATE TABLE
  spaced ( -- with a comment
    id INT PRIMARY KEY, `a "b"` INT COMMENT 'it''s \\ é',
    t TIMESTAMP(6) NULL
  );
INSERT INTO spaced VALUES (1,2,'2024-05-06 07:08:09.000001');
CREATE TABLE IF NOT EXISTS pairs (id INT);
CREATE TABLE pairs_like LIKE pairs;
INSERT INTO pairs_like (id) VALUES (1);
CREATE TABLE keyless_copy AS SELECT * FROM pairs;
CREATE INDEX by_a ON pairs (a);
DROP INDEX by_a ON pairs;
ALTER TABLE pairs ADD UNIQUE INDEX by_note (note), ADD COLUMN c INT FIRST;
ALTER TABLE pairs DROP INDEX by_note;
ALTER TABLE pairs MODIFY COLUMN a VARCHAR(20) CHARACTER SET latin1, ALGORITHM=COPY;
UPDATE pairs SET a = 'é' WHERE id = 13;
CREATE TABLE pairs_other (id INT PRIMARY KEY);
RENAME TABLE pairs_like TO pairs_first, pairs_other TO pairs_second;
INSERT INTO pairs_first (id) VALUES (2);
ALTER TABLE pairs_second RENAME TO pairs_third;
INSERT INTO pairs_third VALUES (1);
CREATE VIEW seen AS SELECT id FROM pairs;
DROP VIEW seen;
ALTER DATABASE lab DEFAULT CHARACTER SET utf8mb4;
TRUNCATE pairs_third;
DROP TABLE pairs_first, pairs_third;
DROP TABLE IF EXISTS nowhere;
CREATE TABLE log_part (id INT PRIMARY KEY, a INT, note VARCHAR(10));
INSERT INTO log_part VALUES (1,1,'whole'), (2,2,'whole');
SET SESSION binlog_row_image = MINIMAL;
UPDATE log_part SET note = 'in part' WHERE id = 1;
DELETE FROM log_part WHERE id = 2;
SET SESSION binlog_row_image = FULL;
SET SESSION binlog_rows_query_log_events = ON;
INSERT INTO log_part VALUES (3,3,'told');
SET SESSION binlog_rows_query_log_events = OFF;
