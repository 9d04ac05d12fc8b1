package daemon

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"cdcbridge/internal/web"
)

// HTTP is the http section of the configuration.
type HTTP struct {
	Listen string `mapstructure:"listen"` // host:port; keep it local, there is no authentication
	Pprof  bool   `mapstructure:"pprof"`  // serve /debug/pprof
}

// DefaultHTTP listens on this machine only.
func DefaultHTTP() HTTP { return HTTP{Listen: "127.0.0.1:8083"} }

// Validate returns every problem.
func (h *HTTP) Validate() []error {
	_, port, err := net.SplitHostPort(h.Listen)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		return []error{fmt.Errorf("listen: must be host:port, not %q", h.Listen)}
	}
	return nil
}

// handler serves everything that the daemon tells over HTTP.
func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // a reader that went away is no news
	})
	mux.HandleFunc("GET /readyz", d.serveReady)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, d.Status())
	})
	mux.HandleFunc("GET /status/history", d.serveHistory)
	mux.Handle("GET /metrics", d.metricsHandler())
	web.Register(mux)
	if d.o.HTTP.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (d *Daemon) serveReady(w http.ResponseWriter, _ *http.Request) {
	r := d.readiness(time.Now())
	code := http.StatusOK
	if !r.Ready {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, r)
}

// writeJSON writes a document that people read too.
func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	writeBody(w, code, body, err)
}

// writeCompact writes a document of many numbers.
func writeCompact(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	writeBody(w, http.StatusOK, body, err)
}

func writeBody(w http.ResponseWriter, code int, body []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // a reader that went away is no news
}
