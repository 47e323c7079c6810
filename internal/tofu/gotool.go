package tofu

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// goTool is the installed go command with the settings that decide what it builds.
type goTool struct {
	Path      string
	Version   string
	OS, Arch  string
	ArchLevel string
	ModCache  string
}

// findGo looks for the go command; dir decides which version answers when go.mod asks for another one.
func findGo(ctx context.Context, lookPath func(string) (string, error), dir string) (goTool, error) {
	path, err := lookPath("go")
	if err != nil {
		return goTool{}, &Error{
			Reason: ReasonNoGo, Problem: "the toolchain cannot be built",
			Cause: "the go command is not installed", Action: goInstallHint, Err: err,
		}
	}
	cmd := exec.CommandContext(ctx, path, "env", "-json", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOMODCACHE")
	cmd.Dir, cmd.Env = dir, buildEnv("")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return goTool{}, classify("the go command does not work", err, stderr.String())
	}
	var env map[string]string
	if err := json.Unmarshal(stdout.Bytes(), &env); err != nil {
		return goTool{}, classify("the go command does not work", err, stdout.String())
	}
	return goTool{
		Path: path, Version: env["GOVERSION"], OS: env["GOOS"], Arch: env["GOARCH"],
		ArchLevel: env["GOAMD64"] + env["GOARM64"], ModCache: env["GOMODCACHE"],
	}, nil
}

// buildEnv is the environment of go: the caller's, less what would change the result. The target is always this
// machine, whatever GOOS says.
func buildEnv(tmp string) []string {
	drop := map[string]bool{
		"GOFLAGS": true, "GOWORK": true, "CGO_ENABLED": true, "GOOS": true, "GOARCH": true,
		"GOTMPDIR": true, "GOEXPERIMENT": true, "GODEBUG": true, "GOFIPS140": true,
	}
	var env []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !drop[name] {
			env = append(env, kv)
		}
	}
	// GOFLAGS must not be empty: go would then take it from the file that "go env -w" writes.
	env = append(env, "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	if tmp != "" {
		env = append(env, "GOTMPDIR="+tmp)
	}
	return env
}

// missingModules counts the required modules that are not in the module cache yet: what is at most downloaded.
func missingModules(dir, modCache string) (int64, error) {
	path := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading nested module: %w", err)
	}
	mod, err := modfile.Parse(path, data, nil)
	if err != nil {
		return 0, fmt.Errorf("reading nested module: %w", err)
	}
	replaced := map[string]module.Version{}
	for _, r := range mod.Replace {
		replaced[r.Old.Path] = r.New
	}
	var missing int64
	for _, r := range mod.Require {
		version := r.Mod
		if other, ok := replaced[version.Path]; ok {
			version = other
		}
		if version.Version == "" { // a folder
			continue
		}
		escaped, err := module.EscapePath(version.Path)
		if err != nil {
			continue
		}
		escapedVersion, err := module.EscapeVersion(version.Version)
		if err != nil {
			continue
		}
		zip := filepath.Join(modCache, "cache", "download", filepath.FromSlash(escaped), "@v", escapedVersion+".zip")
		if _, err := os.Stat(zip); err != nil {
			missing++
		}
	}
	return missing, nil
}
