package web

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cdcbridge/integration/browser"
)

var update = flag.Bool("update", false, "write the pictures of docs/images anew")

// errHostile is a message as a table of somebody else's could bring it about.
var errHostile = errors.New(`can no longer get changes from replication slot "cdcbridge_shop" <img src=x onerror="document.title='hacked'">`)

// tab is a browser's tab that notes what must not happen.
type tab struct {
	context.Context
	t    *testing.T
	home string

	mu  sync.Mutex
	bad []string
}

// chromium is a browser that runs.
type chromium struct{ browser.Browser }

// browse starts Chromium, which ends with the test.
func browse(t *testing.T) chromium { return chromium{browser.Start(t)} }

// open shows home in a new tab of the given width. Requests to elsewhere, exceptions and messages of the console fail the test.
func (c chromium) open(t *testing.T, home string, width int64) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(c)
	t.Cleanup(end)
	b := &tab{Context: ctx, t: t, home: home}
	must(t, chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, home+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
				b.note("request to " + e.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			b.note("exception: " + e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description)
		case *log.EventEntryAdded:
			b.note("console: " + e.Entry.Text)
		}
	}))
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(home+"/")))
	b.until("the status", `document.querySelector('.card .state')?.textContent`)
	b.until("the history", `document.querySelector('.card .line').getAttribute('d')`)
	return b
}

func (b *tab) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad = append(b.bad, what)
}

// clean fails the test if something was noted.
func (b *tab) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bad) > 0 {
		b.t.Errorf("in the browser: %s", strings.Join(b.bad, "\n"))
	}
}

// until waits for an expression to be true.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingTimeout(time.Minute), chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		b.clean()
		b.t.Fatalf("never seen: %s: %v", what, err)
	}
}

// reach is until for an expression that another page will fulfil: what is asked while the browser goes there has no answer.
func (b *tab) reach(what, expression string) {
	b.t.Helper()
	for range 600 {
		if there, err := chromedp.Run(b, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && there {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("never reached: %s", what)
}

// ask evaluates an expression that gives a text.
func (b *tab) ask(expression string) string {
	b.t.Helper()
	s, err := chromedp.Run(b, chromedp.Evaluate[string](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return s
}

// has fails unless the visible text of the page holds all words.
func (b *tab) has(words ...string) {
	b.t.Helper()
	text := strings.Join(strings.Fields(b.ask(`document.body.innerText`)), " ")
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("%q is missing in\n%s", w, text)
		}
	}
}

// dark sets what the reader's system prefers.
func (b *tab) dark(on bool) {
	b.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[on]
	must(b.t, chromedp.Do(b, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})))
}

// picture takes the whole page, and writes it to docs/images if that is asked for.
func (b *tab) picture(name string) {
	b.t.Helper()
	image, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	if err != nil || len(image) < 10_000 {
		b.t.Errorf("%s: %d bytes, %v", name, len(image), err)
	}
	if *update {
		must(b.t, os.WriteFile(filepath.Join("..", "..", "docs", "images", name), image, 0o644))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPage looks at pipelines in each of their ways of being.
func TestPage(t *testing.T) {
	old := start(t, snapshotting()...) // by the time it is looked at it has samples of its own
	browser := browse(t)
	gib := float64(1 << 30)
	calm := hour{lag: wave(0.15, 0.9, 17), changes: wave(2500, 7800, 31), commit: wave(0.012, 0.03, 23), retained: wave(2.2*gib, 3.4*gib, 20)}

	t.Run("healthy", func(t *testing.T) {
		s := start(t, healthy()...)
		quiet := calm
		quiet.retained = nil
		b := browser.open(t, s.after(t, nil, map[string]hour{"shop": calm, "bridge": quiet}), 1100)
		b.until("both running", `document.title === '2 running – cdcbridge'`)
		b.has("Ready: 2 running", "v1.0.0", "● running", "reads db1:5432", "3 GiB of 50 GiB at most.", "2 % of 48 MiB", "3 partitions, 33 records to read", "committed: 1/8A3C5E20", "Retained log")
		b.picture("page-healthy.png")
		b.dark(true)
		if ground := b.ask(`getComputedStyle(document.documentElement).backgroundColor`); ground != "rgb(18, 21, 28)" {
			t.Errorf("the dark ground is %s", ground)
		}
		b.picture("page-dark.png")
		b.dark(false)
		b.keyboard()
		must(t, chromedp.Do(b, chromedp.Click(chromedp.CSS("#pipeline-1 summary"))))
		b.has("partition offset committed lag watermark state", "canal.shop/0 88 301 88 290 11 2 min ago active", "canal.shop/2 88 301 88 290 11 2 min ago idle")
		b.clean()
	})
	t.Run("lagging, on a phone", func(t *testing.T) {
		s := start(t, lagging()...)
		behind := hour{lag: func(m float64) float64 { return max(0.4, (m-46)*60) }, changes: wave(600, 900, 11), commit: wave(0.3, 2.1, 9), retained: func(m float64) float64 { return gib * (3 + 38*max(0, m-46)/14) }}
		b := browser.open(t, s.after(t, 3300, map[string]hour{"shop": behind}), 390)
		b.until("running", `document.title === '1 running – cdcbridge'`)
		b.has("14 min", "41 GiB of 50 GiB at most. At the rate of the last ten minutes the limit is reached in 55 min.")
		if kind := b.ask(`document.querySelector('[data-part=lag-box]').className`); kind != "warn" {
			t.Errorf("the lag is %q", kind)
		}
		if wide := b.ask(`String(document.documentElement.scrollWidth)`); wide != "390" {
			t.Errorf("the page is %s pixels wide on a phone", wide)
		}
		b.picture("page-lagging.png")
		b.clean()
	})
	t.Run("failed", func(t *testing.T) {
		s := start(t, failed()...)
		b := browser.open(t, s.after(t, nil, map[string]hour{"shop": {lag: func(m float64) float64 { return max(0.4, (m-55)*60) }}, "crm": calm}), 1100)
		b.until("the other one running", `document.getElementById('summary').textContent.includes('1 running')`)
		b.has("Not ready: 1 failed, 1 running", "✗ failed", "slot_lost", errHostile.Error(), "What to do: Drop the slot", "What slot_lost means")
		if title := b.ask(`document.title`); !strings.HasPrefix(title, "✗ 1 failed") {
			t.Errorf("the title is %s", title)
		}
		b.picture("page-failed.png")
		must(t, chromedp.Do(b, chromedp.Click(chromedp.CSS("[data-part=doc]"))))
		b.reach("the section of the code", `location.pathname === '/docs/errors.md' && document.querySelector(':target')?.textContent === 'slot_lost'`)
		b.has("What happened.", "What was kept.")
		b.clean()
	})
	t.Run("snapshotting", func(t *testing.T) {
		s := start(t, snapshotting()...)
		b := browser.open(t, s.after(t, nil, map[string]hour{"shop": calm}), 1100)
		nnbsp := "\u202f"
		b.until("progress", `document.title === '1 running – cdcbridge' && document.querySelector('progress')`)
		text := b.ask(`document.querySelector('[data-part=tables]').innerText`)
		for _, w := range []string{"public.orders", "reading, 1_200_000 rows, 34 % of about 3_500_000, 152_000/s, 15 s left", "public.order_items", "1 done"} {
			if w = strings.ReplaceAll(w, "_", nnbsp); !strings.Contains(text, strings.ReplaceAll(w, "order"+nnbsp+"items", "order_items")) {
				t.Errorf("%q is missing in %q", w, text)
			}
		}
		b.picture("page-snapshot.png")
		b.clean()
	})
	t.Run("64 pipelines", func(t *testing.T) {
		var acts []*act
		hours := map[string]hour{}
		for i := range 64 {
			name := fmt.Sprintf("tenant-%02d", i)
			acts = append(acts, &act{name: name, stats: base})
			hours[name] = hour{lag: wave(0.1, 2, float64(7+i)), changes: wave(10, 900, float64(5+i)), commit: wave(0.01, 0.04, 9)}
		}
		acts[41].err = failed()[0].err
		b := browser.open(t, start(t, acts...).after(t, nil, hours), 390)
		b.until("all but one running", `document.title === '✗ 1 failed, 63 running – cdcbridge'`)
		if n := b.ask(`[document.querySelectorAll('#names a').length, document.querySelectorAll('.card').length, document.querySelectorAll('#names .bad').length].join()`); n != "64,64,1" {
			t.Errorf("names, cards, failed ones: %s", n)
		}
		if name := b.ask(`document.querySelector('#names .bad').click(), document.querySelector('.card:target h2').textContent`); name != "tenant-41 ✗ failed" {
			t.Errorf("the name of the failed one leads to %s", name)
		}
		if wide := b.ask(`String(document.documentElement.scrollWidth)`); wide != "390" {
			t.Errorf("the page is %s pixels wide", wide)
		}
		b.clean()
	})
	t.Run("its own history, and silence", func(t *testing.T) {
		b := browser.open(t, old.url, 700) // open waits for the first sample
		b.clean()
		old.stop()
		b.until("that nobody answers", `!document.getElementById('silent').hidden && document.body.classList.contains('stale')`)
		b.has("The daemon does not answer", "what you see is of")
	})
}

// keyboard goes through the page without a pointer.
func (b *tab) keyboard() {
	b.t.Helper()
	const value = `document.activeElement.getAttribute('aria-valuetext')`
	must(b.t, chromedp.Do(b, chromedp.Evaluate[chromedp.Void](`document.querySelector('#names a').focus()`)))
	for range 3 { // past the second name to the first plot
		must(b.t, chromedp.Do(b, chromedp.KeyEvent(kb.Tab)))
		if b.ask(`document.activeElement.getAttribute('role') || ''`) == "slider" {
			break
		}
	}
	if label := b.ask(`document.activeElement.getAttribute('aria-label')`); label != "Lag, last hour" {
		b.t.Fatalf("Tab leads to %s", label)
	}
	now := b.ask(value)
	must(b.t, chromedp.Do(b, chromedp.KeyEvent(kb.ArrowLeft)))
	before := b.ask(value)
	must(b.t, chromedp.Do(b, chromedp.KeyEvent(kb.Home)))
	first := b.ask(value)
	must(b.t, chromedp.Do(b, chromedp.KeyEvent(kb.End)))
	if now == before || before == first || first == now || b.ask(value) != now {
		b.t.Errorf("the arrow leads from %s to %s, Home to %s, End to %s", now, before, first, b.ask(value))
	}
	if said := b.ask(`document.activeElement.closest('figure').querySelector('output').textContent`); !strings.Contains(said, " ") {
		b.t.Errorf("the cursor says %q", said)
	}
}
