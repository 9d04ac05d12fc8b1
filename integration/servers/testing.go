package servers

import (
	"context"
)

// TB is the part of testing.TB that the helpers of tests need.
type TB interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	TempDir() string
	Failed() bool
	Fatal(args ...any)
	Log(args ...any)
	Error(args ...any)
}

// MySQLFor starts a server that ends with the test, or ends the test. A failed test shows the end of the server's log.
func MySQLFor(tb TB, o MySQLOptions) *MySQL {
	tb.Helper()
	m, err := StartMySQL(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(logTail(m.Log()))
		}
		if err := m.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return m
}

// KafkaFor starts a cluster that ends with the test, or ends the test. A failed test shows the ends of the brokers' logs.
func KafkaFor(tb TB, o KafkaOptions) *Kafka {
	tb.Helper()
	k, err := StartKafka(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			for i := range k.nodes {
				tb.Log(logTail(k.Log(i)))
			}
		}
		if err := k.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return k
}
