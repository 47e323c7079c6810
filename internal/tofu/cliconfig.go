package tofu

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CLIConfig is the configuration file of tofu and terraform, the one TF_CLI_CONFIG_FILE names. The zero value is a
// file that changes nothing but the upgrade check, and stands in the way of the user's own.
type CLIConfig struct {
	// Mirror is a filesystem mirror, and MirrorProviders the addresses (host/namespace/type) it serves.
	Mirror          string
	MirrorProviders []string
	// PluginCacheDir keeps providers that were downloaded; OpenTofu 1.10 and newer share it between processes.
	PluginCacheDir string
}

// Bytes returns the file's content.
func (c CLIConfig) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString("disable_checkpoint = true\n")
	if c.PluginCacheDir != "" {
		fmt.Fprintf(&b, "plugin_cache_dir = %s\n", quote(c.PluginCacheDir))
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
