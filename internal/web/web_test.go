package web

import (
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/docs"
)

func get(path, etag string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	Register(mux)
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("If-None-Match", etag)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestFilesAreServed(t *testing.T) {
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/docs/errors.md": "text/html; charset=utf-8",
	} {
		w := get(path, "")
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" || w.Body.Len() < 1000 {
			t.Errorf("%s: %d %v, %d bytes", path, w.Code, h, w.Body.Len())
		}
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %s", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy is %q", path, csp)
		}
		if again := get(path, h.Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s again: %d, %d bytes", path, again.Code, again.Body.Len())
		}
	}
	for _, path := range []string{"/index.html", "/web.go", "/docs/", "/docs/kafka.md"} {
		if w := get(path, ""); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestNothingFromElsewhere: no address of another server, and nothing that the policy would refuse.
func TestNothingFromElsewhere(t *testing.T) {
	for name, body := range map[string]string{"index.html": string(indexHTML), "page.css": string(pageCSS), "page.js": string(pageJS), "errors": get("/docs/errors.md", "").Body.String()} {
		for _, no := range []string{`https?://`, `@import`, `url\(`, `(src|href)="?//`, `innerHTML|outerHTML|insertAdjacentHTML|document\.write`, `\beval\(|new Function`, `<style`, ` style=`, `<[a-z][^>]* on[a-z]+=`, `<script>`} {
			if found := regexp.MustCompile(no).FindString(body); found != "" {
				t.Errorf("%s holds %s", name, found)
			}
		}
	}
}

// TestPartsAreThere: what the script looks for is in the page, and nothing is there that it does not fill.
func TestPartsAreThere(t *testing.T) {
	has, wanted := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:data-part|id)="([a-z-]+)"`).FindAllStringSubmatch(string(indexHTML), -1) {
		has[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?:part\((?:this\.node, )?|getElementById\(|copy\(|node\()'([a-z-]+)'`).FindAllStringSubmatch(string(pageJS), -1) {
		wanted[m[1]] = true
	}
	if len(wanted) < 25 {
		t.Fatalf("found %d parts only", len(wanted))
	}
	for name := range wanted {
		if !has[name] {
			t.Errorf("page.js fills %s, which index.html does not have", name)
		}
	}
	for name := range has {
		if !wanted[name] {
			t.Errorf("index.html has %s, which page.js does not fill", name)
		}
	}
}

// TestErrorsPage: every section of docs/errors.md has its anchor, and no mark of Markdown is left.
func TestErrorsPage(t *testing.T) {
	page := get("/docs/errors.md", "").Body.String()
	sections := regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(docs.Errors, -1)
	if len(sections) < 30 {
		t.Fatalf("found %d sections only", len(sections))
	}
	for _, s := range sections {
		if strings.Count(page, `<h2 id="`+s[1]+`">`+s[1]+`</h2>`) != 1 {
			t.Errorf("the page has no section %s", s[1])
		}
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+m[1]+`"`) {
			t.Errorf("the page links to #%s, which it does not have", m[1])
		}
	}
	text := regexp.MustCompile(`(?s)<code>.*?</code>`).ReplaceAllString(page, "")
	for _, mark := range []string{"**", "`", "](", "\n- ", "\n#", "\n|", "\n>", hidden} {
		if at := strings.Index(text, mark); at >= 0 {
			t.Errorf("%q is left at …%s…", mark, text[max(0, at-60):min(len(text), at+60)])
		}
	}
	for _, tag := range []string{"p", "ul", "li", "code", "strong", "em", "a", "h2"} {
		if open, closed := len(regexp.MustCompile(`<`+tag+`[ >]`).FindAllString(page, -1)), strings.Count(page, "</"+tag+">"); open != closed || open == 0 {
			t.Errorf("%d <%s> and %d </%s>", open, tag, closed, tag)
		}
	}
}

func TestMarkdown(t *testing.T) {
	got := string(document("T & U", "# A <b>\n\none *two `x*<y>` three*\nfour\n\n- **k.** v, see [no](#no_key)\n  on\n- w\n\nend [kafka](kafka.md#acls)\n\n```\na <b> **c**\n\n- d\n```\n"))
	_, got, _ = strings.Cut(got, "<main class=\"text\">\n")
	want := "<h1 id=\"a-b\">A &lt;b&gt;</h1>\n<p>one <em>two <code>x*&lt;y&gt;</code> three</em>\nfour</p>\n<ul>\n<li><strong>k.</strong> v, see <a href=\"#no_key\">no</a>\non</li>\n<li>w</li>\n</ul>\n" +
		"<p>end kafka (docs/kafka.md#acls)</p>\n<pre><code>a &lt;b&gt; **c**\n\n- d</code></pre>\n</main>\n</body>\n</html>\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestContrast: text can be read in the light and in the dark, by WCAG 2 level AA.
func TestContrast(t *testing.T) {
	themes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(pageCSS), -1)
	if len(themes) != 2 {
		t.Fatalf("found %d themes", len(themes))
	}
	for i, theme := range themes {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6})[;\s]`).FindAllStringSubmatch(theme[1], -1) {
			colour[m[1]] = m[2]
		}
		for _, pair := range [][2]string{
			{"ink", "card"}, {"ink", "ground"}, {"quiet", "card"}, {"quiet", "ground"}, {"line", "card"}, {"line", "ground"}, {"ink", "bad-ground"}, {"line", "bad-ground"},
			{"good", "good-ground"}, {"warn", "warn-ground"}, {"bad", "bad-ground"}, {"calm", "calm-ground"}, {"quiet", "warn-ground"},
		} {
			a, b := luminance(t, colour[pair[0]]), luminance(t, colour[pair[1]])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("theme %d: %s on %s has a contrast of %.2f", i, pair[0], pair[1], ratio)
			}
		}
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		t.Fatalf("colour %q: %v", hex, err)
	}
	linear := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.03928 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}
