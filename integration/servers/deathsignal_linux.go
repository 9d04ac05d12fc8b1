package servers

import "syscall"

// DieWithStarter lets a child die with the thread that starts it, whatever ends that.
func DieWithStarter(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
