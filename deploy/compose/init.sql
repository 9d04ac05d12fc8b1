-- Run once by the mysql service of docker-compose.yml: what cdcbridge needs, and a table to try it with.
CREATE USER 'cdc'@'%' IDENTIFIED BY 'cdc-password';
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'cdc'@'%';
GRANT SELECT ON shop.* TO 'cdc'@'%';
CREATE TABLE shop.orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer VARCHAR(100) NOT NULL,
  total DECIMAL(10,2) NOT NULL,
  changed TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)
);
INSERT INTO shop.orders (customer, total) VALUES ('Ada', 12.50), ('Grace', 99.00);
