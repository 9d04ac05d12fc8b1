-- What Debezium's connectors and cdcbridge read at once, on MySQL and MariaDB. A statement ends with its line. "-- mysql:" and "-- maria:" begin a
-- line for one of the two (INET4, INET6, generated columns and the year 0 stop Debezium's MariaDB connector); what stands behind "-- stream" runs when both have read the tables, and behind
-- "-- wait" when both are there. Each table's first column orders its rows.
SET SESSION sql_mode = '', time_zone = '+00:00';

CREATE TABLE numbers (id INT PRIMARY KEY, ti TINYINT, tb TINYINT(1), bo BOOLEAN, tu TINYINT UNSIGNED, si SMALLINT, su SMALLINT UNSIGNED, mi MEDIUMINT, mu MEDIUMINT UNSIGNED,
  i INT, iu INT UNSIGNED, iz INT(8) UNSIGNED ZEROFILL, bi BIGINT, bu BIGINT UNSIGNED, y YEAR, d DOUBLE, dm DOUBLE(10,2), last INT UNSIGNED NOT NULL);
INSERT INTO numbers VALUES (1,-128,1,1,255,-32768,65535,-8388608,16777215,-2147483648,4294967295,42,-9223372036854775808,18446744073709551615,1901,-1.7976931348623157e308,-99999999.99,4000000000),
  (2,127,0,0,0,32767,0,8388607,0,2147483647,0,0,9223372036854775807,0,2155,2.2250738585072014e-308,0.01,1), (3,-1,-1,2,128,-1,32768,-1,8388608,-1,2147483648,99999999,-1,9223372036854775808,1970,0.1,-0.5,2),
  (4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3), (5,0,0,0,0,0,0,0,0,0,0,0,0,0,2024,1e10,1e7,4), (6,5,5,5,5,5,5,5,5,5,5,5,5,5,2000,1e-7,1.1,5);

CREATE TABLE floats (id INT PRIMARY KEY, f FLOAT, fu FLOAT UNSIGNED, fm FLOAT(7,4), f25 FLOAT(25), r REAL);
INSERT INTO floats VALUES (1,1.5,2.25,1.5,1.5,0.1), (2,3.4028235e38,16777216,999.9999,0.1,-1e20), (3,NULL,NULL,NULL,NULL,NULL), (4,0.1,1.17549435e-38,-0.0001,1e-7,0), (5,123456.79,0,0.3,16777217,1);

CREATE TABLE decimals (id INT PRIMARY KEY, a DECIMAL(10,2), b DECIMAL(65,30), c DECIMAL(1,1), d DECIMAL(18,9), e DECIMAL(9,0), g DECIMAL(38,10), h DECIMAL(5,2) UNSIGNED, j DECIMAL, n NUMERIC(20));
INSERT INTO decimals VALUES (1,'-12345678.90','-99999999999999999999999999999999999.999999999999999999999999999999','-0.9','-123456789.000000001','-999999999','1234567890123456789012345678.0123456789','999.99',-1,12345678901234567890),
  (2,0,0,0,0,0,0,0,0,0), (3,'-0.50','0.000000000000000000000000000001','0.1','0.100000000','7','-0.0000000001','0.05','2147483648',-1), (4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL), (5,'12.34','100000000','0.5','1000000000e-1','100','1000000000','100','128',255);

CREATE TABLE bits (id INT PRIMARY KEY, b1 BIT(1), b0 BIT, b5 BIT(5), b8 BIT(8), b10 BIT(10), b33 BIT(33), b64 BIT(64));
INSERT INTO bits VALUES (1,b'1',b'1',b'10101',b'11111111',b'1000000001',b'100000000000000000000000000000001',~0), (2,b'0',b'0',0,0,0,0,0), (3,NULL,NULL,NULL,NULL,NULL,NULL,NULL), (4,1,0,1,128,256,4294967296,1);

CREATE TABLE times (id INT PRIMARY KEY, d DATE, t0 TIME, t1 TIME(1), t3 TIME(3), t4 TIME(4), t6 TIME(6), dt0 DATETIME, dt1 DATETIME(1), dt3 DATETIME(3), dt4 DATETIME(4), dt6 DATETIME(6), ts0 TIMESTAMP NULL, ts1 TIMESTAMP(1) NULL, ts3 TIMESTAMP(3) NULL, ts6 TIMESTAMP(6) NULL);
SET @t='12:34:56.123456', @n='2024-02-29 23:59:58.987654';
INSERT INTO times VALUES (1,@n,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,@n,@n);
SET @t='00:00:00', @n='1970-01-01 00:00:01';
INSERT INTO times VALUES (2,@n,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,@n,@n), (3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
SET @t='23:59:59.5', @n='2038-01-19 03:14:07.5';
INSERT INTO times VALUES (4,@n,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,'2038-01-19 03:14:06','2038-01-19 03:14:07.5','2038-01-19 03:14:07.123','2038-01-19 03:14:07.123456');

CREATE TABLE times_far (id INT PRIMARY KEY, d DATE, t0 TIME, t6 TIME(6), dt0 DATETIME, dt6 DATETIME(6));
INSERT INTO times_far VALUES (1,'1000-01-01','-838:59:59','-838:59:58.999999','1000-01-01 00:00:00','1000-01-01 00:00:00.000001'), (2,'9999-12-31','838:59:59','-00:00:00.000001','9999-12-31 23:59:59','9999-12-31 23:59:59.999999'),
  (3,'1582-10-04','-01:02:03','100:00:00.5','1582-10-10 12:00:00','0001-01-01 00:00:00');

CREATE TABLE zeros (id INT PRIMARY KEY, d DATE, dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP NULL, y YEAR, dn DATE NOT NULL, dtn DATETIME NOT NULL, tsn TIMESTAMP NOT NULL DEFAULT '2001-01-01 00:00:00');
INSERT INTO zeros VALUES (1,'0000-00-00','0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00',1999,'0000-00-00','0000-00-00 00:00:00','0000-00-00 00:00:00'), (2,'2024-00-00','2024-05-00 01:02:03','0000-05-06 00:00:00.000001',NULL,NULL,'2024-05-06','2024-05-06 00:00:00','2024-05-06 00:00:00');
-- mysql: UPDATE zeros SET y=0 WHERE id=2;

CREATE TABLE texts (id INT PRIMARY KEY, c CHAR(5), c1 CHAR(20) CHARACTER SET latin1, v VARCHAR(10), v2 VARCHAR(300) CHARACTER SET utf8mb3, vg VARCHAR(10) CHARACTER SET gbk, v16 VARCHAR(10) CHARACTER SET utf16, vb VARCHAR(5) COLLATE utf8mb4_bin, tt TINYTEXT, t TEXT, mt MEDIUMTEXT, lt LONGTEXT) DEFAULT CHARACTER SET utf8mb4;
INSERT INTO texts VALUES (1,'ab  ','x  ','x  ','x','x','x','x','tiny','text','medium','long'), (2,'','','','','','','','','','',''), (3,'😀😀','ÿ§','é€😀','üß','字典','я😀','é','tab\t','"quoted" \\ /','<&>''','\u2028line\nend'), (4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
  (5,'a\0b','\0','\n\t\\"''','\0','a','b','c','\r\n\b','\Z',CHAR(127 USING utf8mb4),CONCAT(CHAR(1 USING utf8mb4),CHAR(31 USING utf8mb4)));

CREATE TABLE bytes (id INT PRIMARY KEY, b4 BINARY(4), vb VARBINARY(10), tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB, bc CHAR(3) CHARACTER SET binary);
INSERT INTO bytes VALUES (1,'ab',x'00ff00','t','b','m','l','x'), (2,'','','','','','',''), (3,x'00000000',x'fbff3e3f',x'fb',x'ff',x'0001ff',x'00',x'fbff3e'), (4,NULL,NULL,NULL,NULL,NULL,NULL,NULL), (5,x'61000000',x'6100',x'20','  ','a\0','\\','\n');

CREATE TABLE labels (id INT PRIMARY KEY, e ENUM('small','it''s','ü€'), s SET('a','b','c','d e','ü'), el ENUM('Ä','b') CHARACTER SET latin1, sl SET('ÿ','z') CHARACTER SET latin1, n ENUM('yes','no') NOT NULL, ec ENUM('comma,in','back\\slash')) DEFAULT CHARACTER SET utf8mb4;
INSERT INTO labels VALUES (1,'small','a','Ä','ÿ','yes',NULL), (2,'it''s','a,c','b','ÿ,z','no','comma,in'), (3,'ü€','','b','','yes','back\\slash'), (4,'no label','a,b,c,d e,ü',NULL,NULL,'what',NULL), (5,NULL,NULL,NULL,NULL,'no',NULL);

CREATE TABLE documents (id INT PRIMARY KEY, j JSON);
INSERT INTO documents VALUES (1,'{"b":1,"a":[true,false,null],"aa":{"x":{}},"z":[],"":"empty key"}'), (2,'[0,-1,32767,-32768,65535,65536,2147483647,4294967295,9223372036854775807,-9223372036854775808,18446744073709551615]'), (3,'"\\" \\\\ / \\b \\f \\n \\r \\t \\u001f é € 😀"'), (4,'null'), (5,'true'), (6,'-1.5'), (7,'{}'), (8,'[]'), (9,NULL), (10,'""');
-- mysql: INSERT INTO documents VALUES (20,'[0.0,1.0,1.5,1e20,1e-7,123456789012345678,0.1,1.7976931348623157e308]'), (21,JSON_ARRAY(CAST('2024-05-06' AS DATE),CAST('2024-05-06 07:08:09.123' AS DATETIME(3)),CAST('12:34:56' AS TIME),CAST('-12:34:56.123456' AS TIME(6)))), (22,JSON_ARRAY(1.50,-0.05,12345678901234567890.123456789)), (23,JSON_ARRAY(x'deadbeef'));

CREATE TABLE shapes (id INT PRIMARY KEY, g GEOMETRY, p POINT, l LINESTRING, y POLYGON, mp MULTIPOINT, ml MULTILINESTRING, my MULTIPOLYGON, gc GEOMETRYCOLLECTION);
INSERT INTO shapes VALUES (1,ST_GeomFromText('POINT(1 2)'),ST_GeomFromText('POINT(-1.5 2e10)'),ST_GeomFromText('LINESTRING(0 0,1 1,2 2)'),ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 0))'),ST_GeomFromText('MULTIPOINT(0 0,20 20)'),ST_GeomFromText('MULTILINESTRING((10 10,20 20),(15 15,30 15))'),ST_GeomFromText('MULTIPOLYGON(((0 0,10 0,10 10,0 10,0 0)))'),ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')),
  (2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL), (3,ST_GeomFromText('LINESTRING(0 0,1 1)',4326),ST_GeomFromText('POINT(10 20)',4326),NULL,NULL,NULL,NULL,NULL,NULL);
-- mysql: CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3));
-- mysql: INSERT INTO vectors VALUES (1,STRING_TO_VECTOR('[1,2.5,-3e10]')), (2,NULL);
-- maria: CREATE TABLE own_types (id INT PRIMARY KEY, u UUID);
-- maria: INSERT INTO own_types VALUES (1,'0f8fad5b-d9cb-469f-a165-70867728950e'), (2,NULL);

CREATE TABLE defaults (id INT PRIMARY KEY COMMENT 'the key', i INT DEFAULT 7, ti TINYINT DEFAULT -1, bu BIGINT UNSIGNED DEFAULT 18446744073709551615, dc DECIMAL(10,2) DEFAULT 1.5, dn DECIMAL(10,2) NOT NULL DEFAULT '0.00', f FLOAT DEFAULT 1.5, db DOUBLE DEFAULT 2.5, v VARCHAR(20) DEFAULT 'text' COMMENT 'a "text"', vn VARCHAR(20) NOT NULL DEFAULT '',
  c CHAR(4) DEFAULT 'ab', e ENUM('p','q') DEFAULT 'q', s SET('r','s') DEFAULT 'r,s', b1 BIT(1) DEFAULT b'1', b8 BIT(8) DEFAULT b'101', d DATE DEFAULT '2020-01-01', t TIME DEFAULT '01:02:03', dt DATETIME DEFAULT '2020-01-01 02:03:04', dt3 DATETIME(3) DEFAULT '2020-01-01 02:03:04.5', dt6 DATETIME(6) NOT NULL DEFAULT '2020-01-01 02:03:04.5', ts TIMESTAMP NULL DEFAULT '2020-01-01 02:03:04',
  y YEAR DEFAULT 2020, bi BINARY(3) DEFAULT 'x', vb VARBINARY(3) DEFAULT 'yz', bo BOOLEAN DEFAULT TRUE, bn BOOLEAN NOT NULL DEFAULT FALSE, nn INT NOT NULL, nu INT DEFAULT NULL) COMMENT 'the table';
INSERT INTO defaults (id,nn) VALUES (1,1);
INSERT INTO defaults (id,nn,i,v,nu) VALUES (2,2,8,'other',3);
CREATE TABLE defaults_now (id INT PRIMARY KEY, ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP, dt DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, dt6 DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), ex INT DEFAULT (1 + 1), auto INT AUTO_INCREMENT UNIQUE);
INSERT INTO defaults_now VALUES (1,'2024-05-06 07:08:09','2024-05-06 07:08:09','2024-05-06 07:08:09.123456',3,1);

CREATE TABLE key_order (a INT, b VARCHAR(10), c INT, d VARCHAR(10), v INT, PRIMARY KEY (d, a, c));
INSERT INTO key_order VALUES (5,'b',6,'zz',1);
CREATE TABLE key_unique (id INT, u INT NOT NULL, n INT, UNIQUE KEY (n), UNIQUE KEY (u));
INSERT INTO key_unique VALUES (1,5,NULL);
CREATE TABLE keyless (id INT, v VARCHAR(10));
INSERT INTO keyless VALUES (1,'a');
CREATE TABLE key_bytes (k BINARY(4) PRIMARY KEY, v INT);
INSERT INTO key_bytes VALUES (x'0a',1);
CREATE TABLE key_decimal (k DECIMAL(10,2) PRIMARY KEY, v INT);
INSERT INTO key_decimal VALUES (-1.28,1), (0,2), (12.34,3);
CREATE TABLE key_unsigned (k BIGINT UNSIGNED PRIMARY KEY, v INT);
INSERT INTO key_unsigned VALUES (1,1), (18446744073709551615,2);
CREATE TABLE key_time (k DATETIME(6), d DATE, t TIME(3), v INT, PRIMARY KEY (k, d, t));
INSERT INTO key_time VALUES ('2024-05-06 07:08:09.123456','2024-05-06','07:08:09.5',1);
CREATE TABLE key_stamp (k TIMESTAMP(3) PRIMARY KEY, v INT);
INSERT INTO key_stamp VALUES ('2024-05-06 07:08:09.12',1);
CREATE TABLE key_text (k VARCHAR(20) PRIMARY KEY, v INT) CHARACTER SET utf8mb4;
INSERT INTO key_text VALUES ('a"b\\c',1), ('é😀',2);
-- mysql: SET SESSION sql_generate_invisible_primary_key = ON;
-- mysql: CREATE TABLE key_invisible (a INT, id INT);
-- mysql: SET SESSION sql_generate_invisible_primary_key = OFF;
-- mysql: INSERT INTO key_invisible (a,id) VALUES (7,1);
CREATE TABLE hidden (id INT PRIMARY KEY, a INT, h VARCHAR(10) DEFAULT 'h' INVISIBLE, z INT);
INSERT INTO hidden (id,a,z) VALUES (1,2,3);
-- mysql: CREATE TABLE computed (id INT PRIMARY KEY, a INT, v INT AS (a*2) VIRTUAL, s INT AS (a*3) STORED);
-- mysql: INSERT INTO computed (id,a) VALUES (1,5), (2,NULL);
CREATE TABLE `odd ☃ é.$-x` (id INT PRIMARY KEY, `a.b` INT, `1st` INT, `q"uo` INT, `sp ace` INT, `ü` INT);
INSERT INTO `odd ☃ é.$-x` VALUES (1,2,3,4,5,6);
CREATE TABLE altered (id INT PRIMARY KEY, v VARCHAR(10));
INSERT INTO altered VALUES (1,'a'), (2,'b');
CREATE TABLE parent (id INT PRIMARY KEY, v INT);
CREATE TABLE orders (id INT PRIMARY KEY, v VARCHAR(20), n INT);
INSERT INTO orders VALUES (1,'one',1), (2,'two',2), (3,'three',3);
CREATE TABLE truncated (id INT PRIMARY KEY);
INSERT INTO truncated VALUES (1), (2);
CREATE TABLE zz_done (id INT PRIMARY KEY);
INSERT INTO zz_done VALUES (0);

-- stream
SET SESSION sql_mode = '', time_zone = '+00:00';
INSERT INTO numbers SELECT id+100,ti,tb,bo,tu,si,su,mi,mu,i,iu,iz,bi,bu,y,d,dm,last FROM numbers;
UPDATE numbers SET ti=1, d=NULL WHERE id=101;
INSERT INTO floats SELECT id+100,f,fu,fm,f25,r FROM floats;
INSERT INTO decimals SELECT id+100,a,b,c,d,e,g,h,j,n FROM decimals;
INSERT INTO bits SELECT id+100,b1,b0,b5,b8,b10,b33,b64 FROM bits;
INSERT INTO times SELECT id+100,d,t0,t1,t3,t4,t6,dt0,dt1,dt3,dt4,dt6,ts0,ts1,ts3,ts6 FROM times;
INSERT INTO times_far SELECT id+100,d,t0,t6,dt0,dt6 FROM times_far;
INSERT INTO zeros SELECT id+100,d,dt,dt6,ts,y,dn,dtn,tsn FROM zeros;
INSERT INTO texts SELECT id+100,c,c1,v,v2,vg,v16,vb,tt,t,mt,lt FROM texts;
UPDATE texts SET v='changed', lt=NULL WHERE id=101;
INSERT INTO bytes SELECT id+100,b4,vb,tb,bl,mb,lb,bc FROM bytes;
INSERT INTO labels SELECT id+100,e,s,el,sl,n,ec FROM labels;
INSERT INTO documents SELECT id+100,j FROM documents;
INSERT INTO shapes SELECT id+100,g,p,l,y,mp,ml,my,gc FROM shapes;
-- mysql: INSERT INTO vectors SELECT id+100,v FROM vectors;
-- maria: INSERT INTO own_types SELECT id+100,u FROM own_types;
INSERT INTO defaults (id,nn) VALUES (101,1);
INSERT INTO defaults (id,nn,i,ti,dc,v,e,b8,d,ts) VALUES (102,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
UPDATE defaults SET i=9 WHERE id=101;
DELETE FROM defaults WHERE id=101;
INSERT INTO defaults_now (id,ts,dt,dt6) VALUES (101,'2024-05-06 07:08:09','2024-05-06 07:08:09','2024-05-06 07:08:09.123456');

INSERT INTO key_order VALUES (1,'b',2,'y',1);
UPDATE key_order SET v=2 WHERE d='y';
UPDATE key_order SET d='x', v=3 WHERE d='y';
DELETE FROM key_order WHERE d='x';
INSERT INTO key_unique VALUES (2,6,NULL);
UPDATE key_unique SET u=7 WHERE u=6;
DELETE FROM key_unique WHERE u=7;
INSERT INTO keyless VALUES (2,'b');
UPDATE keyless SET v='c' WHERE id=2;
DELETE FROM keyless WHERE id=2;
INSERT INTO key_bytes VALUES (x'0b00ff',1);
UPDATE key_bytes SET k=x'0c' WHERE v=1 AND k=x'0b00ff00';
DELETE FROM key_bytes WHERE k=x'0c000000';
INSERT INTO key_decimal VALUES (1.27,4);
UPDATE key_decimal SET v=5 WHERE k=0;
INSERT INTO key_unsigned VALUES (9223372036854775808,3);
UPDATE key_unsigned SET v=4 WHERE k=18446744073709551615;
INSERT INTO key_time VALUES ('2024-05-06 07:08:09','2024-05-06','07:08:09',1);
UPDATE key_time SET v=2;
INSERT INTO key_stamp VALUES ('2024-05-06 07:08:09',1);
UPDATE key_stamp SET v=2;
INSERT INTO key_text VALUES ('x',3);
UPDATE key_text SET k='é' WHERE v=2;
-- mysql: INSERT INTO key_invisible (a,id) VALUES (8,2);
-- mysql: UPDATE key_invisible SET a=9 WHERE id=2;
INSERT INTO hidden (id,a,z) VALUES (2,2,3);
UPDATE hidden SET h='seen' WHERE id=2;
-- mysql: INSERT INTO computed (id,a) VALUES (3,7);
-- mysql: UPDATE computed SET a=8 WHERE id=3;
INSERT INTO `odd ☃ é.$-x` VALUES (2,3,4,5,6,7);

BEGIN;
INSERT INTO orders VALUES (10,'ten',1), (11,'eleven',2);
UPDATE orders SET n=n+1 WHERE id IN (1,10);
INSERT INTO parent VALUES (1,1);
DELETE FROM orders WHERE id=11;
UPDATE orders SET id=12 WHERE id=10;
COMMIT;
BEGIN;
INSERT INTO orders VALUES (20,'gone',1);
ROLLBACK;
BEGIN;
INSERT INTO orders VALUES (21,'stays',1);
SAVEPOINT s;
INSERT INTO orders VALUES (22,'gone',1);
ROLLBACK TO s;
COMMIT;
REPLACE INTO orders VALUES (1,'replaced',5);
INSERT INTO orders VALUES (2,'x',9) ON DUPLICATE KEY UPDATE n=9;
UPDATE orders SET n=n WHERE id=3;
DELETE FROM orders WHERE id=3;
INSERT INTO orders VALUES (3,'back',1);
-- mysql: SET SESSION binlog_transaction_compression = ON;
-- mysql: BEGIN;
-- mysql: INSERT INTO orders VALUES (30,'packed',1);
-- mysql: UPDATE orders SET v='packed too' WHERE id=30;
-- mysql: COMMIT;
-- mysql: SET SESSION binlog_transaction_compression = OFF;
XA START 'kept';
INSERT INTO orders VALUES (40,'xa',1);
XA END 'kept';
XA PREPARE 'kept';
XA COMMIT 'kept';
XA START 'undone';
INSERT INTO orders VALUES (41,'xa undone',1);
XA END 'undone';
XA PREPARE 'undone';
XA ROLLBACK 'undone';

ALTER TABLE altered ADD COLUMN n DECIMAL(6,2) NOT NULL DEFAULT 1.25 COMMENT 'added' AFTER id;
INSERT INTO altered VALUES (3,2.5,'c');
INSERT INTO zz_done VALUES (10);
-- wait
ALTER TABLE altered RENAME COLUMN v TO w;
UPDATE altered SET w='d' WHERE id=3;
INSERT INTO zz_done VALUES (11);
-- wait
ALTER TABLE altered DROP COLUMN n, ADD COLUMN t DATETIME(3);
UPDATE altered SET t='2024-05-06 07:08:09.5' WHERE id=1;
INSERT INTO zz_done VALUES (12);
-- wait
ALTER TABLE altered DROP PRIMARY KEY, ADD PRIMARY KEY (w, id);
UPDATE altered SET t=NULL WHERE id=1;
INSERT INTO zz_done VALUES (13);
-- wait
CREATE TABLE created (id INT PRIMARY KEY, v VARCHAR(5) DEFAULT 'x', t TINYINT(1), bo BOOL, r REAL, de DOUBLE PRECISION, n NATIONAL CHAR(3), i1 INT1, ch CHARACTER VARYING(7));
INSERT INTO created VALUES (1,'a',1,TRUE,1.5,2.5,'n',3,'c');
INSERT INTO zz_done VALUES (14);
-- wait
CREATE INDEX created_v ON created (v);
ALTER TABLE created COMMENT = 'made';
RENAME TABLE created TO renamed;
INSERT INTO renamed VALUES (2,'b',0,FALSE,-1.5,0.1,NULL,NULL,NULL);
INSERT INTO zz_done VALUES (15);
-- wait
DROP TABLE renamed;
INSERT INTO truncated VALUES (9);
TRUNCATE TABLE truncated;
INSERT INTO truncated VALUES (3);
INSERT INTO zz_done VALUES (1);
