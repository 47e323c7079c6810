package tofu

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// recipe says how a nested module of the checkout is built. It lies in the module as recipe.json.
type recipe struct {
	Tool    string `json:"tool"`
	Package string `json:"package"`
	Version string `json:"version"`
	LDFlags string `json:"ldflags"`
	// MemoryMB is what the build needs at its highest, to say so before it starts.
	MemoryMB int64 `json:"memory_mb"`
	// Provider is namespace/type for a provider, empty for a command; Registries are the hosts it is served as.
	Provider   string   `json:"provider,omitempty"`
	Registries []string `json:"registries,omitempty"`

	dir string
}

// The nested modules, relative to the root of a checkout.
const (
	tofuModule = "toolchain/tofu"
	awsModule  = "toolchain/aws"
)

// keyFormat changes when the layout of a cache entry does, so that an older entry is not taken for a new one.
const keyFormat = "berth-toolchain-1"

func readRecipe(dir string) (recipe, error) {
	data, err := os.ReadFile(filepath.Join(dir, "recipe.json"))
	if err != nil {
		return recipe{}, fmt.Errorf("reading build recipe: %w", err)
	}
	r := recipe{dir: dir}
	if err := json.Unmarshal(data, &r); err != nil {
		return recipe{}, fmt.Errorf("reading build recipe %s: %w", filepath.Join(dir, "recipe.json"), err)
	}
	if r.Tool == "" || r.Package == "" || r.Version == "" {
		return recipe{}, fmt.Errorf("build recipe %s must set tool, package and version", filepath.Join(dir, "recipe.json"))
	}
	if r.Provider != "" && (strings.Count(r.Provider, "/") != 1 || len(r.Registries) == 0) {
		return recipe{}, fmt.Errorf("build recipe %s: provider must be namespace/type, with registries", filepath.Join(dir, "recipe.json"))
	}
	return r, nil
}

// buildArgs are the arguments of go build that change its result; they are part of the key.
func (r recipe) buildArgs() []string {
	return []string{"-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", r.LDFlags}
}

// inputs is the digest of everything in the checkout that decides the result.
func (r recipe) inputs() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, keyFormat)
	for _, name := range []string{"recipe.json", "go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			return "", fmt.Errorf("computing cache key: %w", err)
		}
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		_, _ = h.Write(data)
	}
	_, _ = io.WriteString(h, strings.Join(r.buildArgs(), "\x00"))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// key names the cache entry: the inputs, the Go version and the platform. The same key gives the same bytes.
func (r recipe) key(g goTool) (string, error) {
	inputs, err := r.inputs()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{inputs, g.Version, g.OS, g.Arch, g.ArchLevel}, "\n")))
	return r.Tool + "-" + hex.EncodeToString(sum[:])[:24], nil
}

// findCheckout returns the root of the source checkout that holds start, or "".
func findCheckout(start string) string {
	dir, err := filepath.Abs(start)
	if err != nil {
		return ""
	}
	for {
		if isCheckout(dir) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

func isCheckout(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(tofuModule), "go.mod"))
	return err == nil && strings.HasPrefix(string(data), "module github.com/berthdev/berth/toolchain/")
}
