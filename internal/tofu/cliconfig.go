package tofu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// CLIConfig is the configuration file of tofu and terraform, the one TF_CLI_CONFIG_FILE names. The zero value is a
// file that changes nothing but the upgrade check, and stands in the way of the user's own.
type CLIConfig struct {
	// Mirror is a filesystem mirror, and MirrorProviders the addresses (host/namespace/type) it serves.
	Mirror          string
	MirrorProviders []string
	// PluginCacheDir keeps providers that were downloaded; OpenTofu 1.10 and newer share it between processes.
	PluginCacheDir string
	// TrustPluginCache takes a provider from there even when no lock file holds its checksums. The lock file then gets
	// only that of this platform.
	TrustPluginCache bool
}

// Bytes returns the file's content.
func (c CLIConfig) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString("disable_checkpoint = true\n")
	if c.PluginCacheDir != "" {
		fmt.Fprintf(&b, "plugin_cache_dir = %s\n", quote(c.PluginCacheDir))
	}
	if c.TrustPluginCache {
		b.WriteString("plugin_cache_may_break_dependency_lock_file = true\n")
	}
	if c.Mirror == "" || len(c.MirrorProviders) == 0 {
		return b.Bytes()
	}
	list := make([]string, len(c.MirrorProviders))
	for i, address := range c.MirrorProviders {
		list[i] = quote(address)
	}
	providers := strings.Join(list, ", ")
	// Without the exclude, tofu would ask the registry as well, and an answer that does not come fails the init.
	fmt.Fprintf(&b, `
provider_installation {
  filesystem_mirror {
    path    = %s
    include = [%s]
  }
  direct {
    exclude = [%s]
  }
}
`, quote(c.Mirror), providers, providers)
	return b.Bytes()
}

// ReadCLIConfig reads the mirror back out of a file that WriteFile made. A file of another kind has none, as far as Berth
// is concerned.
func ReadCLIConfig(path string) (CLIConfig, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return CLIConfig{}, fmt.Errorf("reading tofu configuration: %w", err)
	}
	// The language is an older one, in which "${" stands for itself.
	escaped := bytes.ReplaceAll(bytes.ReplaceAll(src, []byte("${"), []byte("$${")), []byte("%{"), []byte("%%{"))
	parsed, diags := hclsyntax.ParseConfig(escaped, path, hcl.InitialPos)
	if diags.HasErrors() {
		return CLIConfig{}, fmt.Errorf("reading tofu configuration: %w", diags)
	}
	body, ok := parsed.Body.(*hclsyntax.Body)
	if !ok {
		return CLIConfig{}, errors.New("reading tofu configuration: it is of an unknown form")
	}
	var c CLIConfig
	c.PluginCacheDir = strings.Join(textsOf(body, "plugin_cache_dir"), "")
	for _, installation := range body.Blocks {
		if installation.Type != "provider_installation" {
			continue
		}
		for _, method := range installation.Body.Blocks {
			if method.Type == "filesystem_mirror" {
				c.Mirror = strings.Join(textsOf(method.Body, "path"), "")
				c.MirrorProviders = textsOf(method.Body, "include")
			}
		}
	}
	return c, nil
}

// textsOf are the texts of an attribute, which is one text or a list of them.
func textsOf(body *hclsyntax.Body, name string) []string {
	a := body.Attributes[name]
	if a == nil {
		return nil
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsWhollyKnown() {
		return nil
	}
	if v.Type() == cty.String {
		return []string{v.AsString()}
	}
	var out []string
	if v.CanIterateElements() {
		for _, e := range v.AsValueSlice() {
			if e.Type() == cty.String && !e.IsNull() {
				out = append(out, e.AsString())
			}
		}
	}
	return out
}

// WriteFile writes the file, in one step and readable by its owner alone.
func (c CLIConfig) WriteFile(path string) error {
	if c.Mirror != "" && !filepath.IsAbs(c.Mirror) {
		return fmt.Errorf("writing tofu configuration: the mirror's path %q must be absolute", c.Mirror)
	}
	if err := writeFileAtomic(path, c.Bytes(), os.FileMode(0o600)); err != nil {
		return fmt.Errorf("writing tofu configuration: %w", err)
	}
	return nil
}

// quote writes a string of this file's language, which interpolates nothing: "${" stands for itself (tried).
func quote(s string) string { return strconv.Quote(s) }
