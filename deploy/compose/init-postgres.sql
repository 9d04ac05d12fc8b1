-- Run once by the postgres service of docker-compose.yml: what cdcbridge needs, and a table to try it with.
CREATE ROLE cdc LOGIN REPLICATION PASSWORD 'cdc-password';
GRANT CREATE ON DATABASE shop TO cdc;
GRANT shop_owner TO cdc;
GRANT pg_read_all_stats TO cdc;
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer text NOT NULL,
  total numeric(10,2) NOT NULL,
  changed timestamptz NOT NULL DEFAULT now()
);
INSERT INTO orders (customer, total) VALUES ('Ada', 12.50), ('Grace', 99.00);
