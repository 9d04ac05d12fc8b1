package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// charsetNames are all character sets of the server but "binary".
const charsetNames = "armscii8 ascii big5 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb18030 gb2312 gbk geostd8 greek hebrew hp8 " +
	"keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8mb3 utf8mb4"

// charsetScript makes a table for every character set, with all of its codes of one byte and a part of the longer ones.
func charsetScript(ctx context.Context, conn *sql.Conn) (string, error) {
	var b strings.Builder
	for _, name := range strings.Fields(charsetNames) {
		fmt.Fprintf(&b, "CREATE TABLE %s (id INT PRIMARY KEY, c CHAR(20), v VARCHAR(300), t TEXT, e ENUM('a','@','Z')) DEFAULT CHARACTER SET %s;\n", name, name)
		fmt.Fprintf(&b, "INSERT INTO %s VALUES (1,'abc  ','v  ','t','a'),(2,NULL,'~\\\\|^`{}','','Z'),(3,'','','',NULL);\n", name)
		rows, err := charsetCodes(ctx, conn, name)
		if err != nil {
			return "", fmt.Errorf("asking for codes of %s: %w", name, err)
		}
		for i, codes := range rows {
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%d,NULL,_%s x'%s',NULL,NULL);\n", name, 100+i, name, codes)
		}
	}
	b.WriteString("INSERT INTO gb18030 VALUES (300,NULL,_gb18030 x'8130813081318130823084318431A4399030813095328236E3329A35',NULL,NULL);\n")
	b.WriteString("INSERT INTO ujis VALUES (300,NULL,_ujis x'8FB0A18FEDE38EA1A1A1',NULL,NULL);\nINSERT INTO eucjpms VALUES (300,NULL,_eucjpms x'8FB0A18FEDE38EA18FF3F3',NULL,NULL);\n")
	return b.String(), nil
}

// charsetCodes gives some rows of well-formed text in hex.
func charsetCodes(ctx context.Context, conn *sql.Conn, name string) ([]string, error) {
	numbers := "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i+%d FROM n WHERE i+%d<=%d) "
	switch name {
	case "utf8mb3", "ucs2":
		return textColumn(ctx, conn, fmt.Sprintf(numbers, 499, 499, 0xFFFF)+
			"SELECT GROUP_CONCAT(HEX(CONVERT(CONVERT(UNHEX(LPAD(HEX(i),8,'0')) USING utf32) USING "+name+")) ORDER BY i SEPARATOR '') FROM n WHERE i NOT BETWEEN 0xD800 AND 0xDFFF GROUP BY i DIV 65536")
	case "utf8mb4", "utf16", "utf16le", "utf32":
		return textColumn(ctx, conn, fmt.Sprintf(numbers, 4999, 4999, 0x10FFFF)+
			"SELECT GROUP_CONCAT(HEX(CONVERT(CONVERT(UNHEX(LPAD(HEX(i),8,'0')) USING utf32) USING "+name+")) ORDER BY i SEPARATOR '') FROM n WHERE i NOT BETWEEN 0xD800 AND 0xDFFF GROUP BY i DIV 65536")
	}
	wellFormed := func(last, step int, code, more string) string {
		return fmt.Sprintf(numbers, 1, 1, last) + fmt.Sprintf("SELECT GROUP_CONCAT(HEX(%[1]s) ORDER BY i SEPARATOR '') FROM n WHERE i %% %[2]d = 0 AND HEX(CONVERT(%[1]s USING %[3]s)) = HEX(%[1]s)%[4]s GROUP BY i DIV %[5]d",
			code, step, name, more, last/16+1)
	}
	last := 255
	if name == "eucjpms" || name == "ujis" {
		last = 127 // they convert lone control bytes above and do not take them as text
	}
	rows, err := textColumn(ctx, conn, wellFormed(last, 1, "UNHEX(LPAD(HEX(i),2,'0'))", ""))
	if err != nil {
		return nil, err
	}
	switch name {
	case "big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis":
		long, err := textColumn(ctx, conn, wellFormed(65535, 37, "UNHEX(LPAD(HEX(i),4,'0'))", " AND i > 32768"))
		if err != nil {
			return nil, err
		}
		rows = append(rows, long...)
	}
	return rows, nil
}
