-- Every column type with its edge values. Each table begins with the column id, which orders the rows.
CREATE TABLE numbers (
  id INT PRIMARY KEY, ti TINYINT, tb TINYINT(1), tu TINYINT UNSIGNED, si SMALLINT, su SMALLINT UNSIGNED, mi MEDIUMINT, mu MEDIUMINT UNSIGNED,
  i INT, iu INT UNSIGNED, iz INT(8) UNSIGNED ZEROFILL, bi BIGINT, bu BIGINT UNSIGNED, y YEAR, f FLOAT, fu FLOAT UNSIGNED, fm FLOAT(7,4), d DOUBLE, dm DOUBLE(10,2),
  du DOUBLE UNSIGNED, b1 BIT(1), b5 BIT(5), b8 BIT(8), b10 BIT(10), b33 BIT(33), b64 BIT(64), last INT UNSIGNED NOT NULL);
INSERT INTO numbers VALUES
  (1,-128,1,255,-32768,65535,-8388608,16777215,-2147483648,4294967295,42,-9223372036854775808,18446744073709551615,1901,-3.4e38,1.5,999.9999,-1.7976931348623157e308,-99999999.99,1.5,b'1',b'10101',b'11111111',b'1000000001',b'100000000000000000000000000000001',~0,4000000000),
  (2,127,0,0,32767,0,8388607,0,2147483647,0,0,9223372036854775807,0,2155,1.17549435e-38,0,-0.0001,2.2250738585072014e-308,0.01,0,b'0',0,0,0,0,0,1),
  (3,-1,-1,128,-1,32768,-1,8388608,-1,2147483648,99999999,-1,9223372036854775808,0000,0.1,16777216,1.5,0.1,-0.5,5e-324,b'1',1,128,256,4294967296,1,2),
  (4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,3),
  (5,0,0,0,0,0,0,0,0,0,0,0,0,2024,0,0,0,0,0,0,0,0,0,0,0,0,4);

CREATE TABLE decimals (
  id INT PRIMARY KEY, a DECIMAL(10,2), b DECIMAL(65,30), c DECIMAL(1,1), d DECIMAL(18,9), e DECIMAL(9,0), f DECIMAL(30,30), g DECIMAL(38,10), h DECIMAL(5,2) UNSIGNED, i DECIMAL(10,3) ZEROFILL, j DECIMAL);
INSERT INTO decimals VALUES
  (1,'-12345678.90','-99999999999999999999999999999999999.999999999999999999999999999999','-0.9','-123456789.000000001','-999999999','-0.000000000000000000000000000001','1234567890123456789012345678.0123456789','999.99','1.5',-1),
  (2,'0','0','0','0','0','0','0','0','0','0'),
  (3,'-0.50','0.000000000000000000000000000001','0.1','0.100000000','7','0.1','-0.0000000001','0.05','1234567.001','2147483648'),
  (4,'-0.00','-0','-0','-0','-0','-0','-0','0','0','-0'),
  (5,'100','100000000','0.5','1000000000e-1','100','0.5','1000000000','100','1000','1000000000'),
  (6,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
  (7,'99999999.99','123456789012345678901234567890.5','0.3','999999999.999999999','123456789','0.999999999999999999999999999999','9999999999999999999999999999.9999999999','12.3','42','-9999999999');

CREATE TABLE times (
  id INT PRIMARY KEY, d DATE, t0 TIME, t1 TIME(1), t2 TIME(2), t3 TIME(3), t4 TIME(4), t5 TIME(5), t6 TIME(6),
  dt0 DATETIME, dt1 DATETIME(1), dt2 DATETIME(2), dt3 DATETIME(3), dt4 DATETIME(4), dt5 DATETIME(5), dt6 DATETIME(6),
  ts0 TIMESTAMP NULL, ts1 TIMESTAMP(1) NULL, ts2 TIMESTAMP(2) NULL, ts3 TIMESTAMP(3) NULL, ts4 TIMESTAMP(4) NULL, ts5 TIMESTAMP(5) NULL, ts6 TIMESTAMP(6) NULL);
SET @t='12:34:56.123456', @n='2024-02-29 23:59:58.987654';
INSERT INTO times VALUES (1,@n,@t,@t,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n);
SET @t='-838:59:58.999999', @n='1000-01-01 00:00:00', @s='1970-01-01 00:00:01';
INSERT INTO times VALUES (2,@n,@t,@t,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,@s,@s,@s,@s,@s,@s,@s);
SET @t='-00:00:00.000001', @n='9999-12-31 23:59:59.4', @s='2038-01-19 03:14:07.4';
INSERT INTO times VALUES (3,@n,@t,@t,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,@s,@s,@s,@s,@s,@s,@s);
SET @t='-00:00:01.100000', @n='0000-00-00 00:00:00';
INSERT INTO times VALUES (4,@n,@t,@t,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n,@n);
SET @t='838:59:59', @n='2024-00-00 01:02:03.5';
INSERT INTO times VALUES (5,@n,@t,@t,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
SET @t='00:00:00', @n='2024-05-00 00:00:00', @s='1999-12-31 23:59:59.999999';
INSERT INTO times VALUES (6,@n,@t,@t,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,@s,@s,@s,@s,@s,@s,@s);
SET @n='0000-05-06 00:00:00.000001', @t='-100:00:00';
INSERT INTO times VALUES (7,@n,@t,@t,@t,@t,@t,@t,@t,@n,@n,@n,@n,@n,@n,@n,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO times (id) VALUES (8);
SET sql_mode='ALLOW_INVALID_DATES';
INSERT INTO times (id,d,dt6) VALUES (9,'2023-02-31','2023-02-29 12:00:00.5'),(10,'1582-10-10','0001-01-01 00:00:00');
SET sql_mode='';
UPDATE times SET t0=ADDTIME(t0,'00:00:01') WHERE id IN (1,2,4);

CREATE TABLE texts (
  id INT PRIMARY KEY, c CHAR(5) CHARACTER SET utf8mb4, c255 CHAR(255) CHARACTER SET utf8mb4, c1 CHAR(200) CHARACTER SET latin1, v VARCHAR(10) CHARACTER SET utf8mb4, v2 VARCHAR(300) CHARACTER SET utf8mb3,
  tt TINYTEXT, t TEXT, mt MEDIUMTEXT, lt LONGTEXT, b4 BINARY(4), b255 BINARY(255), vb VARBINARY(10), vb2 VARBINARY(300), tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB) DEFAULT CHARACTER SET utf8mb4;
INSERT INTO texts VALUES
  (1,'ab  ','é€😀','ÿ§ ','x  ','ü€ ','tiny','text','medium','long','ab','x',x'00ff00',x'0000','t','b','m','l'),
  (2,'','','','','','','','','','','','','','','','',''),
  (3,'😀😀😀😀😀',REPEAT('€',255),REPEAT('Ä',200),'0123456789',REPEAT('é',300),REPEAT('t',255),REPEAT('e',300),REPEAT('m',300),REPEAT('l',70000),x'00000000',REPEAT('b',255),REPEAT(x'00',10),REPEAT(x'ff',300),REPEAT(x'00',255),REPEAT(x'01',300),REPEAT(x'02',300),REPEAT(x'03',70000)),
  (4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
  (5,'a\0b','\0','\0','\n\t\\"''','\0','\r\n','tab\t','"quoted"','\Z',x'61000000',x'6100',x'6100',x'20','  ',' ','',x'00');
UPDATE texts SET v='changed', lt=NULL WHERE id=1;
UPDATE texts SET id=6 WHERE id=5;
DELETE FROM texts WHERE id=2;

CREATE TABLE labels (
  id INT PRIMARY KEY, e ENUM('small','it''s','a,b','','ü€'), s SET('a','b','c','d e','ü'), el ENUM('Ä','b') CHARACTER SET latin1, sl SET('ÿ','z') CHARACTER SET latin1, eg ENUM('字','典') CHARACTER SET gbk, eb ENUM('x','y') CHARACTER SET binary,
  s64 SET('m1','m2','m3','m4','m5','m6','m7','m8','m9','m10','m11','m12','m13','m14','m15','m16','m17','m18','m19','m20','m21','m22','m23','m24','m25','m26','m27','m28','m29','m30','m31','m32',
    'm33','m34','m35','m36','m37','m38','m39','m40','m41','m42','m43','m44','m45','m46','m47','m48','m49','m50','m51','m52','m53','m54','m55','m56','m57','m58','m59','m60','m61','m62','m63','m64'),
  s9 SET('1','2','3','4','5','6','7','8','9'), s17 SET('1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17')) DEFAULT CHARACTER SET utf8mb4;
INSERT INTO labels VALUES
  (1,'small','a','Ä','ÿ','字','x','m1','1','1'), (2,'it''s','a,c','b','ÿ,z','典','y','m64','9','17'), (3,'a,b','','Ä','','字','x','m1,m33,m64','1,9','1,17'),
  (4,'','a,b,c,d e,ü','b','z','典','y',~0,511,131071), (5,'no label','b','x','z','?','q','m2','2','2'), (6,'ü€','ü',NULL,NULL,NULL,NULL,NULL,NULL,NULL), (7,NULL,NULL,NULL,NULL,NULL,NULL,'','','');

CREATE TABLE shapes (id INT PRIMARY KEY, g GEOMETRY, p POINT, l LINESTRING, y POLYGON, mp MULTIPOINT, ml MULTILINESTRING, my MULTIPOLYGON, gc GEOMETRYCOLLECTION, p4 POINT);
INSERT INTO shapes VALUES
  (1,ST_GeomFromText('POINT(1 2)'),ST_GeomFromText('POINT(-1.5 1e300)'),ST_GeomFromText('LINESTRING(0 0,1 1,2 2)'),ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 0),(5 5,7 5,7 7,5 7,5 5))'),
   ST_GeomFromText('MULTIPOINT(0 0,20 20)'),ST_GeomFromText('MULTILINESTRING((10 10,20 20),(15 15,30 15))'),ST_GeomFromText('MULTIPOLYGON(((0 0,10 0,10 10,0 10,0 0)))'),ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))'),ST_GeomFromText('POINT(10 20)',4326)),
  (2,ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'),NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);

CREATE TABLE documents (id INT PRIMARY KEY, j JSON, y YEAR, e ENUM('x'), ts TIMESTAMP(3) NULL, note VARCHAR(20));
INSERT INTO documents (id,j) VALUES
  (1,'{"b": 1, "a": [true, false, null], "aa": {"x": {}}, "z": [], "": "empty key", "k\\"ey\\n": 1}'),
  (2,'[0, -1, 32767, -32768, 32768, -32769, 65535, 65536, 2147483647, -2147483648, 2147483648, 4294967295, 4294967296, 9223372036854775807, -9223372036854775808, 9223372036854775808, 18446744073709551615, 18446744073709551616]'),
  (3,'[0.0, -0.0, 1.0, 1.5, 1e20, 1e-7, 1e15, 1e14, 1e16, 123456789012345678, 0.1, 3.14, 1.7976931348623157e308, 5e-324, 1e-15, 1e-14]'),
  (4,'"a string with \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000 \\u001f \\u007f é € 😀"'),
  (5,'null'), (6,'true'), (7,'42'), (8,'-1.5'), (9,'{}'), (10,'[]'), (11,NULL), (12,'""'),
  (13,JSON_ARRAY(CAST('2024-05-06' AS DATE), CAST('2024-05-06 07:08:09' AS DATETIME), CAST('2024-05-06 07:08:09.123456' AS DATETIME(6)), CAST('12:34:56' AS TIME), CAST('-12:34:56.123456' AS TIME(6)), CAST('838:59:59' AS TIME), CAST('-00:00:00.000001' AS TIME(6)), CAST('0000-00-00' AS DATE))),
  (14,JSON_ARRAY(1.50, -0.05, 0.00, 12345678901234567890.123456789, CAST(-1.20 AS DECIMAL(65,30)), 99999999999999999999999999999999999999999999999999999999999999999, -1, 7.0)),
  (15,JSON_ARRAY(x'deadbeef', b'101', CAST('' AS BINARY), CAST(REPEAT('x',57) AS BINARY), CAST(REPEAT('y',58) AS BINARY), CAST(REPEAT('z',300) AS BINARY))),
  (16,JSON_OBJECT('p', ST_GeomFromText('POINT(1 2)'))),
  (17,CONCAT('[', REPEAT('[', 98), REPEAT(']', 98), ']')),
  (18,CONCAT('["', REPEAT('a', 127), '","', REPEAT('b', 128), '","', REPEAT('c', 16383), '","', REPEAT('d', 16384), '"]')),
  (19,CONCAT('{"big":"', REPEAT('x', 66000), '","n":70000,"m":-5,"u":4294967295,"t":true,"o":{"in":[1,2,3]}}')),
  (20,CONCAT('[1', REPEAT(',70000,-70000,1.25,"s",null', 6000), ']')),
  (21,'{"ключ": "значение", "鍵": "値", "ab": 1, "b": 2, "aaa": 3}'),
  (22,'{"a": 1, "a": 2}');
INSERT INTO documents (id,y,e,ts,note) VALUES (23,2024,'x','2024-05-06 07:08:09.125','text'), (24,0,NULL,NULL,NULL);
UPDATE documents SET j=JSON_ARRAY(y,e,ts,note) WHERE id IN (23,24);
UPDATE documents SET j=JSON_SET(j,'$.b','longer than it was','$.aa.x',JSON_ARRAY(1,2)) WHERE id=1;
UPDATE documents SET j=JSON_REMOVE(j,'$[0]','$[3]') WHERE id=2;
UPDATE documents SET j=JSON_REPLACE(j,'$.big','short') WHERE id=19;
