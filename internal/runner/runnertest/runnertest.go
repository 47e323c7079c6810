// Package runnertest gives tests a fake OpenTofu: a small program that keeps state in the `http` backend, reports events
// and can be told, by a file in the bundle, to fail, wait, print or die. It must be used by tests only.
package runnertest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Script is what the fake does; it lies as fake.json in the root module.
type Script struct {
	Objects []Object `json:"objects,omitempty"`
	// Outputs are the values of the module's outputs; the text "${var.NAME}" stands for the value of an input.
	Outputs map[string]json.RawMessage `json:"outputs,omitempty"`
	// Sensitive names the outputs that the module marks as sensitive.
	Sensitive []string `json:"sensitive,omitempty"`
	// Print are lines printed before anything is applied; "${var.NAME}" is replaced by the input's text.
	Print []string `json:"print,omitempty"`
	// Witness is a file that gets a line per start of the program in a step: its arguments.
	Witness string `json:"witness,omitempty"`
	// InitError makes a step's init fail with this message.
	InitError string `json:"init_error,omitempty"`
	// FetchError makes the init that publishing runs fail with this message, and ValidateError the check of the code.
	FetchError    string `json:"fetch_error,omitempty"`
	ValidateError string `json:"validate_error,omitempty"`
	// PlanError makes plan and apply fail before anything is changed.
	PlanError string `json:"plan_error,omitempty"`
	// Refuses makes plan, apply and destroy fail when an input has this text: name to value.
	Refuses map[string]string `json:"refuses,omitempty"`
	// Providers are linked below .terraform/providers by init, as files with this content.
	Providers map[string]string `json:"providers,omitempty"`
	// GoneIDs cannot be imported, because nothing has that id.
	GoneIDs []string `json:"gone_ids,omitempty"`
	// ImportError makes every import fail with this message.
	ImportError string `json:"import_error,omitempty"`
	// NoBackendAtEnd makes the last state go to errored.tfstate, as when the backend cannot be reached.
	NoBackendAtEnd bool `json:"no_backend_at_end,omitempty"`
}

// Object is one resource instance.
type Object struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	ID      string `json:"id"`
	// Values are its attributes; "${var.NAME}" is the value of an input, which makes the attribute sensitive.
	Values map[string]any `json:"values,omitempty"`
	// Error makes its creation fail with this summary.
	Error string `json:"error,omitempty"`
	// ErrorUnless keeps Error from happening once this file exists.
	ErrorUnless string `json:"error_unless,omitempty"`
	// WaitFor makes its creation wait until this file exists. SIGINT does not end the wait; the object is finished first.
	WaitFor string `json:"wait_for,omitempty"`
	// HangAfterStart makes it wait for ever, after the start was reported.
	HangAfterStart bool `json:"hang_after_start,omitempty"`
	// DieAfter makes the program kill itself right after it reported the object as finished; no state is written.
	DieAfter bool `json:"die_after,omitempty"`
	// DieDuring makes it kill itself after the start was reported.
	DieDuring bool `json:"die_during,omitempty"`
}

// Files returns a bundle's files with the script; vars are declared as variables.
func (s Script) Files(vars ...string) map[string]string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	code := ""
	for _, v := range vars {
		code += "variable \"" + v + "\" {}\n"
	}
	return map[string]string{"fake.json": string(b), "main.tf": code}
}

var build = sync.OnceValues(func() (string, error) {
	_, self, _, _ := runtime.Caller(0)
	dir, err := os.MkdirTemp("", "berth-faketofu-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "tofu")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join(filepath.Dir(self), "faketofu")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{string(out), err}
	}
	return bin, nil
})

type buildError struct {
	out string
	err error
}

func (e *buildError) Error() string { return "building the fake tofu: " + e.err.Error() + "\n" + e.out }

// FakeTofu builds the fake once per test run and returns its path.
func FakeTofu(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Clean removes the built program; call it at the end of TestMain.
func Clean() {
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}
