-- Rows that the log does not carry whole.
CREATE TABLE refused (id INT PRIMARY KEY, a INT, j JSON);
INSERT INTO refused VALUES (1,2,CONCAT('{"a": "', REPEAT('x', 200), '", "b": "y"}'));
SET binlog_row_image=MINIMAL;
UPDATE refused SET a=3 WHERE id=1;
SET binlog_row_image=FULL;
SET binlog_row_value_options=PARTIAL_JSON;
UPDATE refused SET j=JSON_SET(j,'$.b','z') WHERE id=1;
SET binlog_row_value_options='';
SET GLOBAL binlog_row_metadata=MINIMAL;
INSERT INTO refused VALUES (3,4,NULL);
CREATE TABLE refused2 (id INT PRIMARY KEY, a INT);
INSERT INTO refused2 VALUES (3,4);
SET GLOBAL binlog_row_metadata=FULL;
