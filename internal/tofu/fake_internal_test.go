package tofu

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// only is a LookPath that knows just these programs.
func only(programs map[string]string) func(string) (string, error) {
	return func(name string) (string, error) {
		if path, ok := programs[name]; ok {
			return path, nil
		}
		return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
	}
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	if mode&0o111 != 0 {
		require.NoError(t, writeExecutable(path, []byte(content)))
	} else {
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
	}
	return path
}

// fakeBinary writes a program that answers "version" and "version -json" as product and version would.
func fakeBinary(t *testing.T, dir, name, product, version string) string {
	t.Helper()
	return writeFile(t, filepath.Join(dir, name), fakeScript(product, version), 0o755)
}

func fakeScript(product, version string) string {
	return `#!/bin/sh
if [ "$2" = -json ]; then echo '{"terraform_version":"` + version + `","platform":"linux_amd64"}'; else echo '` + product + ` v` + version + `'; fi
`
}

const fakeProgram = `package main

import (
	"os"

	"example.test/fake/words"
)

func main() {
	if len(os.Args) == 3 && os.Args[2] == "-json" {
		_, _ = os.Stdout.WriteString("{\"terraform_version\":\"" + words.Version + "\"}\n")
		return
	}
	_, _ = os.Stdout.WriteString("OpenTofu v" + words.Version + "\n")
}
`

// fakeCheckout writes a source checkout whose tools are tiny programs, so that building them takes a second.
func fakeCheckout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "toolchain", "tofu")
	writeFile(t, filepath.Join(dir, "go.mod"), "module github.com/berthdev/berth/toolchain/tofu\n\ngo 1.26\n\nrequire example.test/fake v0.0.0\n\nreplace example.test/fake => ./fake\n", 0o644)
	writeFile(t, filepath.Join(dir, "go.sum"), "", 0o644)
	writeFile(t, filepath.Join(dir, "recipe.json"), `{"tool":"tofu","package":"example.test/fake","version":"1.11.0","ldflags":"-s -w"}`, 0o644)
	writeFile(t, filepath.Join(dir, "fake", "go.mod"), "module example.test/fake\n\ngo 1.26\n", 0o644)
	writeFile(t, filepath.Join(dir, "fake", "main.go"), fakeProgram, 0o644)
	writeFile(t, filepath.Join(dir, "fake", "words", "words.go"), "package words\n\nconst Version = \"1.11.0\"\n", 0o644)
	aws := filepath.Join(root, "toolchain", "aws")
	writeFile(t, filepath.Join(aws, "go.mod"), "module github.com/berthdev/berth/toolchain/aws\n\ngo 1.26\n", 0o644)
	writeFile(t, filepath.Join(aws, "go.sum"), "", 0o644)
	writeFile(t, filepath.Join(aws, "main.go"), "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n", 0o644)
	writeFile(t, filepath.Join(aws, "recipe.json"), `{"tool":"terraform-provider-aws","package":"github.com/berthdev/berth/toolchain/aws","version":"4.9.0",
		"ldflags":"-s -w","provider":"hashicorp/aws","registries":["registry.opentofu.org","registry.terraform.io"]}`, 0o644)
	return root
}

func realGo(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("go")
	require.NoError(t, err)
	return path
}

// wrappedGo writes a go command that runs a line of shell before each go build.
func wrappedGo(t *testing.T, beforeBuild string) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "go"), "#!/bin/sh\nif [ \"$1\" = build ]; then\n"+beforeBuild+"\nfi\nexec "+realGo(t)+" \"$@\"\n", 0o755)
}

// newTestManager returns a manager that finds nothing but the go command, and asks no network.
func newTestManager(t *testing.T, cfg Config) *Manager {
	t.Helper()
	if cfg.CacheDir == "" {
		cfg.CacheDir = filepath.Join(t.TempDir(), "cache")
	}
	if cfg.Checkout == "" {
		cfg.Checkout = t.TempDir() // not a checkout
	}
	if cfg.Providers == "" && cfg.Registry == "" {
		cfg.Providers = ProvidersFromRegistry
	}
	if cfg.LookPath == nil {
		cfg.LookPath = only(map[string]string{"go": realGo(t)})
	}
	if cfg.Site.APIURL == "" {
		cfg.NoDownload = true
	}
	m, err := NewManager(cfg)
	require.NoError(t, err)
	return m
}

// unfinished lists what lies in the cache's working folder.
func unfinished(t *testing.T, cacheDir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(cacheDir, tmpDir, "*"))
	require.NoError(t, err)
	return left
}
