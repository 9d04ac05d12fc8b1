//go:build !linux

package main

import "syscall"

// ownNetwork gives nothing: the walk uses the machine's ports.
func ownNetwork() *syscall.SysProcAttr { return nil }

func raiseLoopback() error { return nil }
