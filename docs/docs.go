// Package docs holds the pages that the daemon serves itself, for those who have no other way to them at that moment.
package docs

import _ "embed" // of errors.md

// Errors is errors.md, the page that explains every code.
//
//go:embed errors.md
var Errors string
