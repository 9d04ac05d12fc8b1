package mysqlsource

import "fmt"

// finished is enough when the row with that id has been inserted into table done.
func finished(id int) func(*seen) bool {
	return func(s *seen) bool { return has(s, "done/", fmt.Sprint(id)) && s.txns[len(s.txns)-1].Last }
}

// fill writes n rows of text into a table in one statement.
func (b *bench) fill(table string, from, n, width int) string {
	return fmt.Sprintf("INSERT INTO %s (id, v) SELECT s.n+%d, REPEAT(CHAR(97 + s.n %% 26), %d) FROM (SELECT a.d + 10*b.d + 100*c.d + 1000*e.d AS n FROM digits a, digits b, digits c, digits e) s WHERE s.n < %d",
		table, from, width, n)
}

func (b *bench) digits() {
	b.exec("CREATE TABLE digits (d INT PRIMARY KEY)", "INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
}
