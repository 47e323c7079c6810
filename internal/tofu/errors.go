package tofu

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
)

// Reason is a stable word for what stood in the way.
type Reason string

const (
	ReasonNotFound    Reason = "not_found"
	ReasonBadBinary   Reason = "bad_binary"
	ReasonTooOld      Reason = "too_old"
	ReasonNoGo        Reason = "no_go"
	ReasonGoTooOld    Reason = "go_too_old"
	ReasonNoNetwork   Reason = "no_network"
	ReasonBadDownload Reason = "bad_download"
	ReasonDiskFull    Reason = "disk_full"
	ReasonNoMemory    Reason = "out_of_memory"
	ReasonPermission  Reason = "permission"
	ReasonBuildFailed Reason = "build_failed"
	ReasonCanceled    Reason = "canceled"
	ReasonSandboxOnly Reason = "sandbox_only"
)

// Error is a failure a person can act on: what does not work, why, and what to do next. Problem, Cause and Action are
// safe to show; Err holds the detail for the log.
type Error struct {
	Reason  Reason `json:"reason"`
	Problem string `json:"problem"`
	Cause   string `json:"cause,omitempty"`
	Action  string `json:"action,omitempty"`
	Err     error  `json:"-"`
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Problem)
	if e.Cause != "" {
		b.WriteString(": " + e.Cause)
	}
	if e.Action != "" {
		b.WriteString(" (" + e.Action + ")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// AsError returns the error as one that a person can act on, whatever it is.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return classify("preparing the toolchain", err, "")
}

// classify turns an error of the system, with the output of the program that failed, into one with cause and next
// action. Programs report a full disk and the like only as text, so their text is read here and nowhere else.
func classify(problem string, err error, output string) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Problem: problem, Err: err, Reason: ReasonBuildFailed}
	text := strings.ToLower(output)
	if err != nil {
		text += "\n" + strings.ToLower(err.Error())
	}
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.Is(err, context.Canceled):
		e.Reason, e.Cause, e.Action = ReasonCanceled, "it was stopped", "start it again; what was finished is kept"
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || has("no space left on device", "disk quota exceeded"):
		e.Reason, e.Cause = ReasonDiskFull, "the disk is full"
		e.Action = "free about 4 GB in the cache folder, in Go's build cache (go env GOCACHE) and in the folder for temporary files, or set BERTH_CACHE_DIR and GOCACHE to another disk, then run \"berth toolchain install\" again"
	case errors.Is(err, exec.ErrNotFound):
		e.Reason, e.Cause, e.Action = ReasonNoGo, "the go command is not installed", goInstallHint
	case has("signal: killed", "cannot allocate memory", "out of memory"):
		e.Reason, e.Cause = ReasonNoMemory, "the system ended the compiler for want of memory"
		e.Action = "the build needs about 4 GB of free memory; close other programs or add swap, then run \"berth toolchain install\" again: finished packages are kept"
	case has("go.mod requires go", "toolchain not available"):
		e.Reason, e.Cause, e.Action = ReasonGoTooOld, "the installed Go is too old for this build", "install a newer Go, or unset GOTOOLCHAIN=local so that Go fetches it"
	case has("no such host", "dial tcp", "i/o timeout", "connection refused", "network is unreachable", "tls handshake timeout", "proxyconnect", "module lookup disabled by goproxy=off"):
		e.Reason, e.Cause = ReasonNoNetwork, "neither the download site nor a Go module proxy answers"
		e.Action = "check the network and the setting GOPROXY (go env GOPROXY), or install OpenTofu yourself and put it on PATH"
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EROFS) || has("permission denied", "read-only file system"):
		e.Reason, e.Cause, e.Action = ReasonPermission, "a folder cannot be written", "set BERTH_CACHE_DIR to a folder this user can write"
	default:
		e.Cause = lastLines(output, 4)
		if e.Cause == "" && err != nil {
			e.Cause = err.Error()
		}
		e.Action = "run \"berth toolchain install\" again; if it fails the same way, report it with this text"
	}
	return e
}

const goInstallHint = "install Go (https://go.dev/doc/install), or install OpenTofu (https://opentofu.org/docs/intro/install/) and put it on PATH, then try again"

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.TrimSpace(strings.Join(lines, "; "))
}
