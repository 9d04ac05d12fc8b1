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
	endWith(tb, m)
	return m
}

// PostgresFor starts a server that ends with the test, or ends the test. A failed test shows the end of the server's log.
func PostgresFor(tb TB, o PostgresOptions) *Postgres {
	tb.Helper()
	p, err := StartPostgres(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	endWith(tb, p)
	return p
}

// StandbyFor is Standby for a test: the standby ends with it.
func StandbyFor(tb TB, primary *Postgres, o StandbyOptions) *Postgres {
	tb.Helper()
	s, err := primary.Standby(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	endWith(tb, s)
	return s
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

// FlinkFor starts Flink, which ends with the test, or ends the test.
func FlinkFor(tb TB) *Flink {
	tb.Helper()
	f, err := StartFlink(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := f.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return f
}

// ConnectFor starts a worker of Kafka Connect that ends with the test, or ends the test. A failed test shows the end of the worker's log.
func ConnectFor(tb TB, kafka *Kafka) *Connect {
	tb.Helper()
	c, err := StartConnect(tb.Context(), kafka, ConnectOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	endWith(tb, c)
	return c
}

// CanalFor starts Canal, which ends with the test, or ends the test. A failed test shows the end of Canal's log.
func CanalFor(tb TB, my *MySQL, kafka *Kafka, o CanalOptions) *Canal {
	tb.Helper()
	c, err := StartCanal(tb.Context(), my, kafka, o)
	if err != nil {
		tb.Fatal(err)
	}
	endWith(tb, c)
	return c
}

// endWith ends a server with the test, and shows the end of its log if that has failed.
func endWith(tb TB, s interface {
	Log() string
	Stop() error
}) {
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(logTail(s.Log()))
		}
		if err := s.Stop(); err != nil {
			tb.Error(err)
		}
	})
}
