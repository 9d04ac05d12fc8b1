CREATE TABLE `t` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT, `tiny1` tinyint(1) DEFAULT 1, `tiny_u` tinyint(3) unsigned NOT NULL DEFAULT 7, `small_u` smallint(5) unsigned zerofill DEFAULT NULL, `medium` mediumint(9) DEFAULT NULL,
  `i` int(11) NOT NULL DEFAULT -5, `i_u` int(10) unsigned DEFAULT NULL, `big_u` bigint(20) unsigned DEFAULT 7, `f` float DEFAULT 1.5, `fmd` float(7,4) DEFAULT NULL, `d` double NOT NULL DEFAULT 0.1,
  `dec` decimal(10,2) NOT NULL DEFAULT 12.34, `bit1` bit(1) DEFAULT b'1', `bit10` bit(10) DEFAULT b'1000000001', `vc` varchar(255) NOT NULL DEFAULT 'it is', `vz` varchar(20) /*M!100301 COMPRESSED*/ DEFAULT NULL,
  `tx` longtext DEFAULT 'text', `js` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`js`)), `bin` binary(4) DEFAULT NULL, `bl` blob DEFAULT NULL,
  `e` enum('new','it''s, x') NOT NULL DEFAULT 'new', `s` set('a','b','c') DEFAULT 'a,c', `y` year(4) DEFAULT 2024, `da` date DEFAULT '2024-05-06', `ti6` time(6) DEFAULT NULL, `dt` datetime DEFAULT current_timestamp(),
  `dt3` datetime(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), `dt6` datetime(6) DEFAULT '2024-05-06 07:08:09.123456', `ts` timestamp NULL DEFAULT current_timestamp(), `ts3` timestamp(3) NOT NULL DEFAULT current_timestamp(3), `ts6` timestamp(6) NOT NULL DEFAULT '2024-05-06 07:08:09.120000',
  `u` uuid DEFAULT uuid(), `p` point NOT NULL, `g` geometry DEFAULT NULL,
  PRIMARY KEY (`id`,`i`)
) ENGINE=InnoDB;
