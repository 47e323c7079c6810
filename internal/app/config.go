// Package app is the composition root: it builds every service, transport and background loop from one Config, runs them
// and shuts them down in order. It holds no rule of the product.
package app

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/tofu"
)

// Config is everything an operator can set. DefaultConfig fills in the rest.
type Config struct {
	// DataDir holds the database (with SQLite), bundles, logs and the working directories of steps.
	DataDir string
	// DatabaseURL is empty for SQLite in DataDir, or postgres://user:password@host/database.
	DatabaseURL string
	// KeyFile holds the key that everything secret is encrypted with. It must lie outside DataDir; back it up apart
	// from the data, for one is worth nothing without the other.
	KeyFile string
	// Addr is the address to listen on.
	Addr string
	// BaseURL is the address users open, when it is not http://Addr: behind a proxy, or with TLS.
	BaseURL string
	// TLSCert and TLSKey are PEM files; both or neither.
	TLSCert, TLSKey string
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Workers is how many steps run at a time on this machine.
	Workers int
	// TemplatesDir is a folder with further templates to publish at the start, laid out like the folder templates of the
	// source. Empty means only those that ship.
	TemplatesDir string
	// Toolchain says where OpenTofu and the providers come from.
	Toolchain tofu.Config
	// AllowBuiltProvider lets runs with real credentials use an AWS provider that was built from source for the sandbox.
	AllowBuiltProvider bool
	// AllowLocalGit lets repositories be folders of this machine (file://). Whoever may change repositories can then read
	// every git repository that the server can.
	AllowLocalGit bool
	// Dev is set by berth dev only.
	Dev *DevConfig
	// OnProgress is told how preparing the toolchain goes, OnReady that environments can be deployed; both may be nil.
	OnProgress tofu.Reporter
	OnReady    func()
	// Logger gets structured logs.
	Logger *slog.Logger
	// Now is the clock; tests replace it.
	Now func() time.Time
}

// DevConfig is what berth dev adds: a sandbox, a project, users and templates to try.
type DevConfig struct {
	// SandboxAddr is empty to start no sandbox, for tests.
	SandboxAddr string
	// Templates are published instead of those that ship, for tests.
	Templates fs.FS
	// Password of both users; generated and told once through Say when empty.
	Password string
	// Say prints a line for the person at the terminal.
	Say func(format string, args ...any)
}

// DefaultConfig returns the settings that hold unless they are changed.
func DefaultConfig() Config {
	return Config{
		Addr:    "127.0.0.1:8080",
		Workers: max(2, runtime.NumCPU()),
		Logger:  slog.New(slog.DiscardHandler),
		Now:     time.Now, //nolint:forbidigo // the one place the real clock comes from
	}
}

// complete checks c and fills in what follows from other settings.
func (c *Config) complete() error {
	var fields fault.Fields
	if c.DataDir == "" {
		fields.Add("data-dir", "Name a folder for Berth's data.")
		return fields.Err()
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("finding the data folder: %w", err)
	}
	c.DataDir = dir
	c.KeyFile = cmp.Or(c.KeyFile, dir+".key")
	if c.KeyFile, err = filepath.Abs(c.KeyFile); err != nil {
		return fmt.Errorf("finding the key file: %w", err)
	}
	if strings.HasPrefix(c.KeyFile, c.DataDir+string(filepath.Separator)) {
		fields.Add("key-file", "The key file must lie outside the data folder %s, so that a copy of one is not a copy of both.", c.DataDir)
	}
	c.DatabaseURL = cmp.Or(c.DatabaseURL, "sqlite://"+filepath.Join(dir, "berth.db"))
	scheme := "http"
	if (c.TLSCert == "") != (c.TLSKey == "") {
		fields.Add("tls-cert", "Give both --tls-cert and --tls-key, or neither.")
	}
	if c.TLSCert != "" && c.TLSKey != "" {
		scheme = "https"
		if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
			fields.Add("tls-cert", "The certificate cannot be used: %s.", err)
		}
	}
	c.BaseURL = strings.TrimSuffix(cmp.Or(c.BaseURL, scheme+"://"+c.Addr), "/")
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || u.Path != "" || (u.Scheme != "http" && u.Scheme != "https") {
		fields.Add("base-url", "The base URL must look like https://berth.example.com, without a path; you gave %q.", c.BaseURL)
	}
	if c.TemplatesDir != "" {
		if info, err := os.Stat(c.TemplatesDir); err != nil || !info.IsDir() {
			fields.Add("templates", "There is no folder %s.", c.TemplatesDir)
		}
	}
	if c.Workers < 1 || c.Workers > 1000 {
		fields.Add("workers", "Workers must be from 1 to 1000; you gave %d.", c.Workers)
	}
	return fields.Err()
}

// postgres reports whether other servers may share the database.
func (c *Config) postgres() bool { return strings.HasPrefix(c.DatabaseURL, "postgres") }
