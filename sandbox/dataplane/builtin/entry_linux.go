package builtin

import (
	"fmt"
	"os"
)

// MaybeRun takes this process over when it was started as a shim or as a
// container's first process, and never returns then.
func MaybeRun() {
	var err error
	switch os.Args[0] {
	case shimName:
		err = runShim()
	case initName:
		err = runInit()
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
