// Package mishaps causes what operators meet, on real servers and with the real binary, and looks for it in every place where they look:
// each code of internal/fault is the same one in the log, in /status and what shows it, on the page in a browser, and in how the process ends.
// No secret of the configuration is in any of them.
//
//	mishap ── cause: what goes wrong in the world ──▶ daemon ──▶ met: log, /status, /readyz, page, exit code
package mishaps
