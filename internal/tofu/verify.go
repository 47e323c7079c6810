package tofu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// The oldest versions that work: OpenTofu 1.10 made provider caches safe for several processes at once, Terraform 1.5
// brought the commands that repair of state needs.
const (
	MinimumTofu      = "1.10.0"
	MinimumTerraform = "1.5.0"
)

// versionTimeout is generous because a first start reads 100 MB from a cold disk.
const versionTimeout = 30 * time.Second

// inspect verifies an executable: it starts, it is the product asked for, it is not too old.
func (v *verifier) inspect(ctx context.Context, path string, want Kind, origin Origin) (Binary, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Binary{}, badBinary(path, want, err.Error(), err)
	}
	info, err := os.Stat(abs)
	switch {
	case err != nil:
		return Binary{}, badBinary(abs, want, "the file cannot be read", err)
	case info.IsDir():
		return Binary{}, badBinary(abs, want, "it is a folder", nil)
	case info.Mode()&0o111 == 0:
		return Binary{}, badBinary(abs, want, "it is not executable", nil)
	}
	facts, ok := v.recall(abs, info)
	if !ok {
		if facts, err = examine(ctx, abs, info, want); err != nil {
			return Binary{}, err
		}
		v.remember(abs, facts)
	}
	b := Binary{Kind: facts.Kind, Path: abs, Version: facts.Version, Origin: origin, SHA256: facts.SHA256, Size: facts.Size}
	if b.Kind != want {
		return Binary{}, badBinary(abs, want, fmt.Sprintf("it is %s %s", b.Kind.Product(), b.Version), nil)
	}
	return b, checkMinimum(b)
}

func checkMinimum(b Binary) error {
	minimum := MinimumTofu
	if b.Kind == KindTerraform {
		minimum = MinimumTerraform
	}
	if semver.Compare("v"+b.Version, "v"+minimum) >= 0 {
		return nil
	}
	return &Error{
		Reason: ReasonTooOld, Problem: fmt.Sprintf("%s is %s %s", b.Path, b.Kind.Product(), b.Version),
		Cause:  fmt.Sprintf("Berth needs %s %s or newer", b.Kind.Product(), minimum),
		Action: "install a newer version, or remove this one from PATH and let \"berth toolchain install\" provide one",
	}
}

func badBinary(path string, want Kind, cause string, err error) *Error {
	return &Error{
		Reason: ReasonBadBinary, Problem: fmt.Sprintf("%s cannot be used as %s", path, want.Product()),
		Cause: cause, Action: fmt.Sprintf("give the path of a working %s, or leave the setting empty", want), Err: err,
	}
}

// facts are what an examination found out; they hold for as long as the file looks the same.
type facts struct {
	Kind    Kind      `json:"kind"`
	Version string    `json:"version"`
	SHA256  string    `json:"sha256"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
}

func examine(ctx context.Context, path string, info os.FileInfo, want Kind) (facts, error) {
	version, err := askVersion(ctx, path, want)
	if err != nil {
		return facts{}, err
	}
	kind := want
	// The JSON does not say which product it is; the text does. A program that says neither name is believed.
	if text, err := runVersion(ctx, path, "version"); err == nil {
		switch {
		case strings.Contains(text, "OpenTofu v"):
			kind = KindTofu
		case strings.Contains(text, "Terraform v"):
			kind = KindTerraform
		}
	}
	sum, size, err := hashFile(path)
	if err != nil {
		return facts{}, badBinary(path, want, "the file cannot be read", err)
	}
	return facts{Kind: kind, Version: version, SHA256: sum, Size: size, ModTime: info.ModTime()}, nil
}

// askVersion runs "version -json" and returns the version it prints.
func askVersion(ctx context.Context, path string, want Kind) (string, error) {
	output, err := runVersion(ctx, path, "version", "-json")
	if err != nil {
		return "", badBinary(path, want, fmt.Sprintf("\"version -json\" does not work: %v", err), err)
	}
	var answer struct {
		Version string `json:"terraform_version"`
	}
	start := strings.IndexByte(output, '{') // a warning may come first
	if start < 0 || json.Unmarshal([]byte(output[start:]), &answer) != nil || !semver.IsValid("v"+answer.Version) {
		return "", badBinary(path, want, "\"version -json\" prints no version", nil)
	}
	return answer.Version, nil
}

// runVersion runs the binary where it finds no configuration, no modules and no plugins of anybody.
func runVersion(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "berth-version-")
	if err != nil {
		return "", fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("it did not answer: %w", ctx.Err())
		}
		return "", errors.Join(err, textError(lastLines(stderr.String(), 2)))
	}
	return stdout.String(), nil
}

func textError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}
