CREATE TABLE `t` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `tiny1` tinyint(1) DEFAULT '1', `tiny` tinyint DEFAULT NULL, `tiny_u` tinyint unsigned NOT NULL DEFAULT '7',
  `small` smallint, `small_u` smallint unsigned zerofill, `medium` mediumint, `medium_u` mediumint unsigned,
  `i` int NOT NULL DEFAULT '-5', `i_u` int unsigned, `big_u` bigint unsigned DEFAULT '7', `big11` bigint(20) unsigned,
  `f` float DEFAULT '1.5', `fmd` float(7,4), `d` double NOT NULL DEFAULT '0.1', `dmd` double(10,3),
  `dec` decimal(10,2) NOT NULL DEFAULT '12.34', `dec0` decimal(20,0), `decu` decimal(10,2) unsigned,
  `bit1` bit(1) DEFAULT b'1', `bit10` bit(10) DEFAULT b'1000000001',
  `c` char(8), `vc` varchar(255) NOT NULL DEFAULT 'it is' COMMENT 'what it is', `tx` longtext, 
  `bin` binary(4), `vb` varbinary(300), `bl` blob,
  `e` enum('new','it''s, "x"','día') NOT NULL DEFAULT 'new', `s` set('a','b','c') DEFAULT 'a,c', `j` json, `y` year DEFAULT '2024',
  `da` date DEFAULT '2024-05-06', `da0` date NOT NULL DEFAULT '0000-00-00', `ti` time DEFAULT '07:08:09', `ti6` time(6),
  `dt` datetime DEFAULT CURRENT_TIMESTAMP, `dt3` datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), `dt6` datetime(6) DEFAULT '2024-05-06 07:08:09.123456',
  `ts` timestamp NULL DEFAULT CURRENT_TIMESTAMP, `ts3` timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), `ts6` timestamp(6) NOT NULL DEFAULT '2024-05-06 07:08:09.120000',
  `u` varchar(36) DEFAULT (uuid()), `p` point NOT NULL, `g` geometry, `ls` linestring NOT NULL, `v` vector(2),
  PRIMARY KEY (`id`, `i`)
);
