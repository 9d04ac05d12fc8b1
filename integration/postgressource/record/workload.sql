CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN short AS varchar(10);
CREATE TABLE orders (id bigint PRIMARY KEY, v text, n int, m mood);
CREATE TABLE pairs (a int, b short, v text, PRIMARY KEY (b, a));
CREATE TABLE whole (id int PRIMARY KEY, big text, n int);
ALTER TABLE whole ALTER big SET STORAGE EXTERNAL;
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL UNIQUE, v text);
ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_code_key;
CREATE TABLE parts (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 (v text, k int, id int, PRIMARY KEY (id, k));
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES IN (2);
CREATE TABLE other (id int PRIMARY KEY, v text);
CREATE PUBLICATION recorded FOR TABLE orders, pairs, whole, indexed, parts, other WITH (publish_via_partition_root);
SELECT pg_replication_origin_create('elsewhere');
-- the slot is made here
INSERT INTO orders SELECT i, 'order ' || i, i % 3, 'ok' FROM generate_series(1, 200) i;

INSERT INTO orders VALUES (1001, NULL, NULL, NULL), (1002, '', -2147483648, 'sad');
UPDATE orders SET v = 'changed', m = 'happy' WHERE id < 20;
UPDATE orders SET id = id + 5000 WHERE id IN (7, 8);
DELETE FROM orders WHERE id > 190 AND id < 1000;
UPDATE orders SET id = 7 WHERE id = 5007;

INSERT INTO pairs VALUES (1, 'x', 'v'), (2, 'y', NULL);
UPDATE pairs SET a = 3 WHERE b = 'x';
UPDATE pairs SET v = 'w';
DELETE FROM pairs WHERE a = 2;

INSERT INTO whole VALUES (1, repeat('a', 20000), 1), (2, NULL, 2), (3, repeat('c', 3000), 3);
UPDATE whole SET n = n + 10;
UPDATE whole SET id = 4 WHERE id = 1;
DELETE FROM whole WHERE id = 3;

INSERT INTO indexed VALUES (1, 'k', 'v'), (2, 'l', 'w');
UPDATE indexed SET id = 3 WHERE code = 'k';
UPDATE indexed SET code = 'm' WHERE code = 'l';
DELETE FROM indexed WHERE code = 'k';

INSERT INTO parts VALUES (1, 1, 'one'), (2, 2, 'two');
UPDATE parts SET k = 2 WHERE id = 1;
UPDATE parts SET v = 'zwei' WHERE id = 2;

INSERT INTO other VALUES (1, 'not captured');

SELECT pg_logical_emit_message(false, 'test', 'outside');

SELECT pg_replication_origin_session_setup('elsewhere');
SELECT pg_replication_origin_xact_setup('0/1234', '2024-05-06 07:08:09+00');
INSERT INTO orders VALUES (2000, 'from elsewhere', 1, NULL);

SELECT pg_replication_origin_session_reset();

BEGIN;
INSERT INTO orders VALUES (3000, 'before', 1, 'ok');
ALTER TABLE orders ADD c int DEFAULT 5;
INSERT INTO orders VALUES (3001, 'after', 1, 'ok', 6);
SAVEPOINT s;
INSERT INTO orders VALUES (3002, 'rolled back', 1, 'ok', 6);
ROLLBACK TO s;
INSERT INTO orders VALUES (3003, 'and again', 1, 'ok', 7);
UPDATE orders SET c = 8 WHERE id = 3000;
COMMIT;

ALTER TABLE orders DROP n;

ALTER TABLE orders RENAME v TO w;
UPDATE orders SET w = w || '!', c = 1;

TRUNCATE other;

CREATE TABLE late (id int PRIMARY KEY);
ALTER PUBLICATION recorded ADD TABLE late;

INSERT INTO late VALUES (1);

BEGIN;
SELECT pg_logical_emit_message(true, 'test', 'within');
INSERT INTO late SELECT generate_series(2, 3000);
COMMIT;

SELECT pg_logical_emit_message(false, 'test', 'the end of the recording');
