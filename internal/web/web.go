// Package web is the page that shows how the pipelines are: one HTML, one CSS and one JavaScript file, embedded as they are. The page
// asks the daemon that serves it for /status and /status/history, and nobody else for anything.
//
//	index.html   the frame, and templates of a pipeline's card and of a plot
//	page.js      asks, and fills the templates; values are set as text, never as HTML
//	page.css     light and dark, from 320 pixels on
//	markdown.go  shows docs/errors.md, so that the link of an error works without a network
package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // of the page's files
	"encoding/hex"
	"net/http"
	"time"

	"cdcbridge/docs"
)

var (
	//go:embed index.html
	indexHTML []byte
	//go:embed page.css
	pageCSS []byte
	//go:embed page.js
	pageJS []byte
)

// policy allows the page's own files and requests to the daemon that serves it: no other server, no inline script, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register serves the page at /, its files beside it, and the page of error codes at /docs/errors.md, which is where
// fault.Code.Doc points.
func Register(mux *http.ServeMux) {
	mux.Handle("GET /{$}", file("text/html; charset=utf-8", indexHTML))
	mux.Handle("GET /page.css", file("text/css; charset=utf-8", pageCSS))
	mux.Handle("GET /page.js", file("text/javascript; charset=utf-8", pageJS))
	mux.Handle("GET /docs/errors.md", file("text/html; charset=utf-8", document("Error codes", docs.Errors)))
}

// file serves one body. A browser asks each time whether it has changed, so that a new release shows at once.
func file(kind string, body []byte) http.Handler {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}
