//go:build !linux

package servers

import "syscall"

// DieWithStarter does nothing here: only Linux has a signal for the death of a parent. The tests are for Linux; the demo
// stops what it started itself.
func DieWithStarter(*syscall.SysProcAttr) {}
