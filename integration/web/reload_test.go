package web

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cdcbridge/internal/daemon"
	"cdcbridge/internal/fault"
)

// TestPageFollowsReloads: pipelines that come and go, a file that is refused, and what needs a restart.
func TestPageFollowsReloads(t *testing.T) {
	pipelines := func(names ...string) (ps []daemon.Pipeline) {
		for _, name := range names {
			ps = append(ps, daemon.Pipeline{Name: name, New: func() daemon.Attempt { return &act{name: name, stats: base} }})
		}
		return ps
	}
	type file struct {
		next *daemon.Next
		err  error
	}
	var now atomic.Pointer[file]
	hangups := make(chan os.Signal, 1)
	s := serve(t, daemon.Options{
		HTTP: daemon.HTTP{Listen: "127.0.0.1:0"}, ShutdownTimeout: time.Second, Version: "v1.0.0", Log: slog.New(slog.DiscardHandler), Pipelines: pipelines("shop", "crm"),
		Reload: daemon.Reload{Asked: hangups, Load: func() (*daemon.Next, error) { f := now.Load(); return f.next, f.err }},
	})
	reload := func(f file) {
		if f.next != nil {
			f.next.ShutdownTimeout, f.next.Apply = time.Second, func() {}
		}
		now.Store(&f)
		hangups <- syscall.SIGHUP
	}
	b := browse(t).open(t, s.url, 390)
	b.until("both running", `document.title === '2 running – cdcbridge' && document.getElementById('reload').hidden`)

	reload(file{err: fault.NewFinal(fault.Config, "reading /etc/cdcbridge/cdcbridge.yaml", fmt.Errorf("1 problem:\n  %w", errHostile), "Correct the file.")})
	b.until("the refusal", `document.querySelector('#reload.fault:not([hidden])')`)
	b.has("The configuration that was read at", "is refused; everything goes on as it was", errHostile.Error(), "What to do: Correct the file. What config means")
	if code := b.ask(`document.getElementById('reload-code').textContent`); code != "config" {
		t.Errorf("the code is %q", code)
	}
	if wide := b.ask(`String(document.documentElement.scrollWidth)`); wide != "390" {
		t.Errorf("the page is %s pixels wide", wide)
	}

	reload(file{next: &daemon.Next{Pipelines: pipelines("erp", "shop"), NeedsRestart: []string{"http.listen", "log.format"}}})
	b.until("another pipeline in front", `document.querySelector('.card h2').textContent.startsWith('erp') && document.title === '2 running – cdcbridge'`)
	b.until("the notice", `document.querySelector('#reload.notice:not([hidden])')`)
	b.has("Takes effect only after a restart: http.listen, log.format", "reloaded")
	if names := b.ask(`[...document.querySelectorAll('#names a')].map(a => a.textContent.slice(2)).join()`); names != "erp,shop" {
		t.Errorf("the names are %s", names)
	}
	if code := b.ask(`getComputedStyle(document.getElementById('reload-remedy')).display`); code != "none" {
		t.Errorf("the remedy of the refusal is still there: %s", code)
	}

	reload(file{next: &daemon.Next{Pipelines: pipelines("shop")}})
	b.until("one pipeline, and nothing to say", `document.title === '1 running – cdcbridge' && document.getElementById('reload').hidden && document.querySelectorAll('.card').length === 1`)
	b.clean()
}
