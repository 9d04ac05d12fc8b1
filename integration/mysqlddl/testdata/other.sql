-- # neutral
CREATE TABLE t (a INT);
CREATE VIEW v AS SELECT * FROM t;
CREATE OR REPLACE VIEW v AS SELECT a + 1 AS b FROM t;
CREATE ALGORITHM=MERGE DEFINER=CURRENT_USER SQL SECURITY INVOKER VIEW w AS SELECT 1 AS x;
ALTER VIEW v AS SELECT 2 AS z;
RENAME TABLE v TO v2;
DROP VIEW v2, w;
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1;
DROP TRIGGER tr;
CREATE PROCEDURE pr() BEGIN CREATE TABLE inner_t (a INT); DROP TABLE inner_t; END;
CREATE FUNCTION fu() RETURNS INT DETERMINISTIC RETURN 1;
ALTER PROCEDURE pr COMMENT 'x';
DROP PROCEDURE pr;
DROP FUNCTION IF EXISTS fu;
CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO SET @x = 1;
DROP EVENT ev;
CREATE USER IF NOT EXISTS someone;
ALTER USER someone IDENTIFIED BY 'x';
RENAME USER someone TO somebody;
GRANT SELECT ON d.* TO somebody;
DROP USER somebody;
ANALYZE TABLE t;
OPTIMIZE TABLE t;
REPAIR TABLE t;
FLUSH TABLES t;
INSERT INTO t VALUES (1);
CREATE ROLE ro;
DROP ROLE ro;
SET PASSWORD = 'it';
ALTER INSTANCE RELOAD TLS;
CREATE SERVER se FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x');
DROP SERVER se;
-- # shadow tables
CREATE TABLE orders (id INT PRIMARY KEY, a INT);
CREATE TABLE `d`.`_orders_gho` like `d`.`orders`;
alter /* gh-ost */ table `d`.`_orders_gho` add column b int not null default 0, drop column a;
rename /* gh-ost */ table `d`.`orders` to `d`.`_orders_del`, `d`.`_orders_gho` to `d`.`orders`;
DROP TABLE `d`.`_orders_del`;
CREATE TABLE `d`.`_orders_new` (
  `id` int NOT NULL,
  `b` int NOT NULL DEFAULT '0',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
ALTER TABLE `d`.`_orders_new` ADD COLUMN c VARCHAR(10);
RENAME TABLE `d`.`orders` TO `d`.`_orders_old`, `d`.`_orders_new` TO `d`.`orders`;
DROP TABLE IF EXISTS `d`.`_orders_old`;
-- # dumps
CREATE TABLE `t` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(50) COLLATE utf8mb4_unicode_ci NOT NULL DEFAULT '' COMMENT 'a;b',
  `price` decimal(10,2) DEFAULT NULL,
  `tags` set('a','b') CHARACTER SET latin1 COLLATE latin1_swedish_ci DEFAULT NULL,
  `created` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  `total` int(11) GENERATED ALWAYS AS (`id` + 1) VIRTUAL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`,`price`),
  KEY `k` (`price`) USING BTREE /*!80000 INVISIBLE */
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='x'
/*!50100 TABLESPACE innodb_file_per_table */;
CREATE TABLE `u` (
  `id` bigint NOT NULL,
  `v` varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `h` int DEFAULT NULL /*!80023 INVISIBLE */,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB /*!80016 DEFAULT ENCRYPTION='N' */;
/*!40101 SET @x = 1 */;
/*!50001 CREATE TABLE w (a INT) */;
-- # instant and atomic
CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(10));
ALTER TABLE t ADD c INT DEFAULT 5, ALGORITHM=INSTANT;
ALTER TABLE t DROP COLUMN a, ALGORITHM=INSTANT;
ALTER TABLE t RENAME COLUMN b TO bb, ALGORITHM=INSTANT;
ALTER TABLE t ADD d INT FIRST, ADD e INT AFTER bb, ALGORITHM=INSTANT;
ALTER TABLE t MODIFY bb VARCHAR(200), ALGORITHM=INPLACE;
ALTER TABLE t ALTER COLUMN c SET DEFAULT 9, ALGORITHM=INSTANT;
CREATE TABLE u (id INT);
DROP TABLE IF EXISTS nosuch, u;
CREATE TABLE w (a INT) SELECT 1 AS a, 2 AS b;
-- # generated invisible primary key
SET SESSION sql_generate_invisible_primary_key=ON;
CREATE TABLE t (a INT);
ALTER TABLE t ADD b INT;
CREATE TABLE u LIKE t;
ALTER TABLE t ALTER COLUMN my_row_id SET VISIBLE;
SET SESSION sql_generate_invisible_primary_key=OFF;
CREATE TABLE v LIKE t;
