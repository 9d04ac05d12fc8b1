// Package web looks at the daemon's page in a real browser: headless Chromium, real daemons over HTTP, pipelines that follow a script.
//
// go test ./web -update writes the pictures of docs/images anew.
package web
