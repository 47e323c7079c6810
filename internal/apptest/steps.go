package apptest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// endSteps kills what a server has left running, since steps outlive servers but may not outlive the folder of their
// test, and waits until it is gone. Every process of a step names that folder in its arguments.
func endSteps(t *testing.T, dataDir string) {
	t.Helper()
	for killSteps(t, dataDir) { // what one has started meanwhile is found the next time
	}
}

func killSteps(t *testing.T, dataDir string) (found bool) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		args, err := os.ReadFile(file) // after opening it, so that it is still the same process
		if err == nil && bytes.Contains(args, []byte(dataDir+"/")) && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil {
			found = true
			for err = unix.EINTR; err == unix.EINTR; { //nolint:errorlint // a system call's own number
				_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(readyWait.Milliseconds()))
			}
			require.NoError(t, err)
		}
		require.NoError(t, unix.Close(fd))
	}
	return found
}
