// Command servers starts real servers for humans and scripts, prints where they are as one line of JSON, and stays until it
// is interrupted:
//
//	go run ./cmd/servers mysql97:3306 pg18:5432 kafka44:9092
//	{"kafka44":{"brokers":["127.0.0.1:9092"]},"pg18":{"addr":"127.0.0.1:5432","user":"it","password":"it"},"mysql97":{"addr":"127.0.0.1:3306","user":"it","password":"it"}}
//
// A number after "x" is the number of brokers: kafka44x3. Without a port a free one is taken.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"cdcbridge/integration/servers"
)

// address is what the output says of one server.
type address struct {
	Addr     string   `json:"addr,omitempty"`
	User     string   `json:"user,omitempty"`
	Password string   `json:"password,omitempty"`
	CA       string   `json:"ca,omitempty"`
	Brokers  []string `json:"brokers,omitempty"`
	Logs     []string `json:"logs"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, what []string) (err error) {
	if len(what) == 0 {
		return errors.New("say which: mysql97 mysql80 mysql57 maria118 maria1011 pg18 pg17 pg16 pg15 kafka44 kafka44x3 kafka39, each with :PORT if it matters")
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards addrs, stops, errs
		addrs = make(map[string]address)
		stops []func() error
		errs  []error
	)
	for _, name := range what {
		wg.Go(func() {
			a, stop, err := start(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			addrs[strings.SplitN(name, ":", 2)[0]] = a
			stops = append(stops, stop)
		})
	}
	wg.Wait()
	defer func() {
		for _, stop := range stops {
			err = errors.Join(err, stop())
		}
	}()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := json.NewEncoder(os.Stdout).Encode(addrs); err != nil {
		return fmt.Errorf("printing the addresses: %w", err)
	}
	<-ctx.Done()
	return nil
}

// start starts what one argument names: KIND[xBROKERS][:PORT].
func start(ctx context.Context, arg string) (address, func() error, error) {
	kind, portText, hasPort := strings.Cut(arg, ":")
	port := 0
	if hasPort {
		var err error
		if port, err = strconv.Atoi(portText); err != nil {
			return address{}, nil, fmt.Errorf("reading the port of %s: %w", arg, err)
		}
	}
	if version := strings.TrimPrefix(kind, "mysql"); slices.Contains(servers.MySQLVersions, version) {
		m, err := servers.StartMySQL(ctx, servers.MySQLOptions{Version: version, Port: port})
		if err != nil {
			return address{}, nil, err
		}
		return address{Addr: m.Addr(), User: m.User(), Password: m.Password(), CA: m.CAFile(), Logs: []string{m.Log()}}, m.Stop, nil
	}
	if version, ok := strings.CutPrefix(kind, "pg"); ok {
		p, err := servers.StartPostgres(ctx, servers.PostgresOptions{Version: version, Port: port})
		if err != nil {
			return address{}, nil, err
		}
		return address{Addr: p.Addr(), User: p.User(), Password: p.Password(), Logs: []string{p.Log()}}, p.Stop, nil
	}
	version, ok := strings.CutPrefix(kind, "kafka")
	if !ok {
		return address{}, nil, fmt.Errorf("nothing called %s", arg)
	}
	version, count, hasCount := strings.Cut(version, "x")
	o := servers.KafkaOptions{Version: version, Brokers: 1}
	if hasCount {
		var err error
		if o.Brokers, err = strconv.Atoi(count); err != nil {
			return address{}, nil, fmt.Errorf("reading the number of brokers of %s: %w", arg, err)
		}
	}
	for i := 0; hasPort && i < o.Brokers; i++ {
		o.Ports = append(o.Ports, port+i)
	}
	k, err := servers.StartKafka(ctx, o)
	if err != nil {
		return address{}, nil, err
	}
	a := address{Brokers: k.Brokers()}
	for i := range o.Brokers {
		a.Logs = append(a.Logs, k.Log(i))
	}
	return a, k.Stop, nil
}
