package tofu

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// SandboxMarker is the file beside a provider that Berth built. tofu links or copies a package folder as a whole, so
// the marker goes wherever the provider goes.
const SandboxMarker = "BERTH-SANDBOX-ONLY.txt"

// markerText never changes for a given provider: the marker is part of the package whose hash tofu records.
const markerText = `This provider was built from source by Berth, for its sandbox.
It is not a release of its makers, so it must not be used with real credentials
unless the operator of this Berth server allows it.
`

const mirrorDir = "mirror"

// layOutMirror moves a built provider into an unpacked filesystem mirror, under each registry that templates may name,
// and returns the path of the binary inside the entry. The second registry gets a hard link: it costs no space, and tofu
// follows no symbolic links inside of a mirror.
func layOutMirror(staged string, r recipe, binary string) (string, error) {
	name := fmt.Sprintf("%s_v%s", r.Tool, r.Version)
	first := ""
	for _, host := range r.Registries {
		rel := filepath.Join(mirrorDir, host, filepath.FromSlash(r.Provider), r.Version, platform())
		dir := filepath.Join(staged, rel)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("laying out provider mirror: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, SandboxMarker), []byte(markerText), 0o644); err != nil {
			return "", fmt.Errorf("laying out provider mirror: %w", err)
		}
		target := filepath.Join(dir, name)
		if first == "" {
			if err := os.Rename(binary, target); err != nil {
				return "", fmt.Errorf("laying out provider mirror: %w", err)
			}
			first = filepath.Join(rel, name)
			continue
		}
		if err := linkOrCopy(filepath.Join(staged, first), target); err != nil {
			return "", fmt.Errorf("laying out provider mirror: %w", err)
		}
	}
	return filepath.ToSlash(first), nil
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if closeErr := dst.Close(); err == nil {
		err = closeErr
	}
	return err
}

// ReadMirror lists the unpacked and packed packages of a filesystem mirror for this platform.
func ReadMirror(dir string) ([]ProviderPackage, error) {
	var found []ProviderPackage
	// host/namespace/type/version/platform/ and host/namespace/type/terraform-provider-type_version_platform.zip
	unpacked, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "*", platform()))
	if err != nil {
		return nil, fmt.Errorf("reading provider mirror: %w", err)
	}
	for _, path := range unpacked {
		parts := relativeParts(dir, path)
		marked, err := SandboxOnly(path)
		if err != nil {
			return nil, err
		}
		found = append(found, ProviderPackage{
			Address: strings.Join(parts[:3], "/"), Version: parts[3], Platform: parts[4], Path: path, SandboxOnly: marked,
		})
	}
	packed, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "terraform-provider-*_"+platform()+".zip"))
	if err != nil {
		return nil, fmt.Errorf("reading provider mirror: %w", err)
	}
	for _, path := range packed {
		parts := relativeParts(dir, path)
		version := strings.TrimPrefix(strings.TrimSuffix(parts[3], "_"+platform()+".zip"), "terraform-provider-"+parts[2]+"_")
		found = append(found, ProviderPackage{Address: strings.Join(parts[:3], "/"), Version: version, Platform: platform(), Path: path})
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Path < found[j].Path })
	return found, nil
}

func relativeParts(dir, path string) []string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return nil
	}
	return strings.Split(filepath.ToSlash(rel), "/")
}

// SandboxOnly reports whether the provider package in this folder was built by Berth for the sandbox alone.
func SandboxOnly(packageDir string) (bool, error) {
	_, err := os.Stat(filepath.Join(packageDir, SandboxMarker))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("reading provider package: %w", err)
}

// SandboxOnlyProviders lists the providers of an initialised working directory that may meet the sandbox only, as
// host/namespace/type. dataDir is the directory's .terraform, or what TF_DATA_DIR names. Ask after init, and before any
// command that hands real credentials to providers: what init chose is what counts.
func SandboxOnlyProviders(dataDir string) ([]string, error) {
	root := filepath.Join(dataDir, "providers")
	paths, err := filepath.Glob(filepath.Join(root, "*", "*", "*", "*", "*"))
	if err != nil {
		return nil, fmt.Errorf("reading chosen providers: %w", err)
	}
	var marked []string
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			continue // OpenTofu's own lock file beside the package
		}
		only, err := SandboxOnly(path) // follows the link init made
		if err != nil {
			return nil, err
		}
		if only {
			marked = append(marked, strings.Join(relativeParts(root, path)[:3], "/"))
		}
	}
	return marked, nil
}

// CheckRealCredentials refuses a working directory in which init chose a provider that may meet the sandbox only. The
// operator may allow it; then do not ask.
func CheckRealCredentials(dataDir string) error {
	marked, err := SandboxOnlyProviders(dataDir)
	if err != nil || len(marked) == 0 {
		return err
	}
	return &Error{
		Reason: ReasonSandboxOnly, Problem: "this run must not use real credentials",
		Cause:  "the provider " + strings.Join(marked, ", ") + " was built by Berth from source, for its sandbox",
		Action: "let this machine reach the provider registry or name a mirror with a released provider, or ask the operator to allow built providers",
	}
}
