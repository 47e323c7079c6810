package cli

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/internal/app"
)

// serverFlags are those that berth dev and berth serve share.
func serverFlags(cmd *cobra.Command, cfg *app.Config, jsonLogs *bool) {
	f := cmd.Flags()
	f.StringVar(&cfg.Addr, "addr", cfg.Addr, "address to listen on")
	f.StringVar(&cfg.KeyFile, "key-file", "", "file with the encryption key, outside the data folder (default: the data folder's name with .key)")
	f.IntVar(&cfg.Workers, "workers", cfg.Workers, "how many steps run at a time")
	f.StringVar(&cfg.Toolchain.TofuPath, "tofu", "", "path of the OpenTofu binary to use; found or installed when left out")
	f.StringVar(&cfg.Toolchain.ProviderMirror, "provider-mirror", "", "filesystem mirror of providers to use")
	f.BoolVar(jsonLogs, "log-json", false, "write logs as JSON")
}

func newLogger(cmd *cobra.Command, asJSON bool, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), options))
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), options))
}

func newServeCommand() *cobra.Command {
	cfg := app.DefaultConfig()
	var jsonLogs bool
	var proxies []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server for a team",
		Long: "Run a server for a team. The first start prints a set-up token: open the address and make the first administrator\n" +
			"with it. Serve it over TLS (--tls-cert, --tls-key), or behind a proxy that does (--base-url, --trusted-proxy).",
		Example: "  berth serve --data-dir /var/lib/berth --base-url https://berth.example.com --trusted-proxy 127.0.0.1/32",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, p := range proxies {
				prefix, err := parseProxy(p)
				if err != nil {
					return err
				}
				cfg.TrustedProxies = append(cfg.TrustedProxies, prefix)
			}
			cfg.DatabaseURL = cmp.Or(cfg.DatabaseURL, environ(cmd, "BERTH_DATABASE_URL"))
			cfg.Logger = newLogger(cmd, jsonLogs, slog.LevelInfo)
			return serve(cmd, cfg)
		},
	}
	serverFlags(cmd, &cfg, &jsonLogs)
	f := cmd.Flags()
	f.StringVar(&cfg.DataDir, "data-dir", "", "folder for the database, bundles, logs and running steps (required)")
	f.StringVar(&cfg.DatabaseURL, "database-url", "", "postgres://… (or BERTH_DATABASE_URL); SQLite in the data folder when left out")
	f.StringVar(&cfg.BaseURL, "base-url", "", "address that users open, when it is not http://ADDR")
	f.StringVar(&cfg.TemplatesDir, "templates", "", "folder with further templates to publish at the start")
	f.StringVar(&cfg.TLSCert, "tls-cert", "", "certificate file (PEM)")
	f.StringVar(&cfg.TLSKey, "tls-key", "", "key file of the certificate (PEM)")
	f.StringArrayVar(&proxies, "trusted-proxy", nil, "address or network of a proxy whose X-Forwarded-For is believed; may be repeated")
	f.BoolVar(&cfg.AllowLocalGit, "allow-local-git", false, "let template code be read from git repositories on this machine (file://)")
	f.BoolVar(&cfg.AllowBuiltProvider, "allow-built-provider", false, "let runs with real credentials use the AWS provider built from source for the sandbox")
	return cmd
}

func parseProxy(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, usagef("--trusted-proxy must be an address or a network, such as 10.0.0.0/8; you gave %q.", text)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func serve(cmd *cobra.Command, cfg app.Config) error {
	a, err := app.New(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	token, err := a.PrepareSetup(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Berth serves %s\n", a.URL())
	if token != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "Set it up at %s/setup with this token, which a restart replaces: %s\n", a.URL(), token)
	}
	return a.Run(cmd.Context())
}

func newDevCommand() *cobra.Command {
	cfg := app.DefaultConfig()
	dev := &app.DevConfig{}
	var jsonLogs, verbose bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try Berth on this machine, with a sandbox instead of AWS",
		Long: "Try Berth on this machine. It makes the project demo, two users and the templates that ship, and starts a sandbox that\n" +
			"looks like AWS, so that an environment can be deployed with no cloud account. Everything listens on 127.0.0.1.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelWarn
			if verbose {
				level = slog.LevelDebug
			}
			cfg.Logger = newLogger(cmd, jsonLogs, level)
			dev.Say = func(format string, args ...any) {
				fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
			}
			dev.Password = environ(cmd, "BERTH_DEV_PASSWORD")
			cfg.Dev = dev
			cfg.AllowLocalGit = true // of the one who started it, to try templates before they are pushed
			return serveDev(cmd, cfg)
		},
	}
	serverFlags(cmd, &cfg, &jsonLogs)
	cmd.Flags().StringVar(&dev.SandboxAddr, "sandbox-addr", "127.0.0.1:4566", "address of the sandbox")
	cmd.Flags().StringVar(&cfg.DataDir, "data-dir", filepath.Join(".berth", "dev"), "folder for everything it keeps")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log everything")
	return cmd
}

func serveDev(cmd *cobra.Command, cfg app.Config) error {
	printer := newProgressPrinter(cmd.ErrOrStderr())
	begun := time.Now()
	cfg.OnProgress = printer.print
	cfg.OnReady = func() {
		printer.finish()
		cfg.Dev.Say("Ready after %s. Stop with Ctrl-C; what is deployed is there again at the next start.", time.Since(begun).Round(10*time.Millisecond))
	}
	a, err := app.New(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	cfg.Dev.Say("Berth:     %s", a.URL())
	cfg.Dev.Say("Sandbox:   http://%s/_sandbox/", cfg.Dev.SandboxAddr)
	return a.Run(cmd.Context())
}
