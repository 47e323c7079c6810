package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/berthdev/berth/internal/tofu"
)

// newToolchainCommand returns "berth toolchain", which works without a server: it prepares the machine for one.
func newToolchainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "toolchain",
		Short: "Install and inspect the programs Berth runs",
		Long: `Berth runs OpenTofu, and its providers. It takes tofu from the setting, from PATH or from its own cache; when there is
none it downloads it, or builds it in a source checkout. "berth serve" and "berth dev" do the same by themselves.`,
	}
	var cfg tofu.Config
	var providers string
	flags := cmd.PersistentFlags()
	flags.StringVar(&cfg.TofuPath, "tofu", "", "path of the OpenTofu binary to use")
	flags.StringVar(&cfg.ProviderMirror, "provider-mirror", "", "filesystem mirror of providers to use")
	flags.StringVar(&providers, "providers", "auto", "where providers come from: auto, registry or mirror")
	flags.StringVar(&cfg.CacheDir, "cache-dir", "", "folder for downloaded and built programs (default $BERTH_CACHE_DIR, else the user's cache folder)")
	flags.StringVar(&cfg.Checkout, "checkout", "", "source checkout to build from (default the one around this folder)")
	manager := func() (*tofu.Manager, error) {
		switch providers {
		case "auto":
			cfg.Providers = ""
		case string(tofu.ProvidersFromRegistry), string(tofu.ProvidersFromMirror):
			cfg.Providers = tofu.ProviderSource(providers)
		default:
			return nil, fmt.Errorf("--providers must be auto, registry or mirror, not %q", providers)
		}
		return tofu.NewManager(cfg)
	}
	cmd.AddCommand(newToolchainInstallCommand(manager, &cfg), newToolchainStatusCommand(manager))
	return cmd
}

func newToolchainInstallCommand(manager func() (*tofu.Manager, error), cfg *tofu.Config) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Make OpenTofu and a provider source ready",
		Long: `Make OpenTofu and a provider source ready, and say what is being done meanwhile. It can be stopped and started again at
any time: what was finished is kept, and nothing half done is ever used.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := manager()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			printer := newProgressPrinter(cmd.ErrOrStderr())
			toolchain, err := m.Install(ctx, printer.print)
			printer.finish()
			if err != nil {
				return err
			}
			printToolchain(cmd.OutOrStdout(), toolchain.Tofu, &toolchain.Providers)
			return nil
		},
	}
	cmd.Flags().BoolVar(&cfg.NoPath, "no-path", false, "do not use the tofu on PATH")
	cmd.Flags().BoolVar(&cfg.NoDownload, "no-download", false, "do not download; build from the checkout instead")
	cmd.Flags().BoolVar(&cfg.NoBuild, "no-build", false, "do not build; only find or download")
	return cmd
}

func newToolchainStatusCommand(manager func() (*tofu.Manager, error)) *cobra.Command {
	var output string
	var verify bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which OpenTofu and providers would be used",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output must be table or json, not %q", output)
			}
			m, err := manager()
			if err != nil {
				return err
			}
			status, err := m.Status(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				err = encoder.Encode(status)
			} else {
				printStatus(cmd.OutOrStdout(), status)
			}
			if err != nil || !verify {
				return err
			}
			return verifyCache(cmd, m)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "output format: table or json")
	cmd.Flags().BoolVar(&verify, "verify", false, "also compute the digest of every cached program and fail if one is damaged")
	return cmd
}

func verifyCache(cmd *cobra.Command, m *tofu.Manager) error {
	damaged, err := m.Verify(cmd.Context())
	if err != nil {
		return err
	}
	for _, d := range damaged {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "damaged: %s %s at %s\n", d.Tool, d.Version, d.Path)
	}
	if len(damaged) > 0 {
		return fmt.Errorf("%d cached programs are damaged: remove their folders and run \"berth toolchain install\"", len(damaged))
	}
	return nil
}

func printStatus(w io.Writer, s tofu.Status) {
	for _, p := range s.Building {
		_, _ = fmt.Fprintf(w, "under way   %s, for %s\n", p, p.Elapsed(time.Now()))
	}
	if s.Tofu == nil {
		_, _ = fmt.Fprintf(w, "tofu        %s\n", s.TofuMissing)
	} else {
		printToolchain(w, *s.Tofu, nil)
	}
	if s.Terraform != nil {
		_, _ = fmt.Fprintf(w, "terraform   %s  %s  (only for templates that ask for it)\n", s.Terraform.Version, s.Terraform.Path)
	}
	switch {
	case s.ProvidersError != nil:
		_, _ = fmt.Fprintf(w, "providers   %s\n", s.ProvidersError)
	case s.Providers == nil:
		_, _ = fmt.Fprintln(w, "providers   the registry does not answer and there is no mirror yet (run \"berth toolchain install\")")
	default:
		printProviders(w, *s.Providers)
	}
	_, _ = fmt.Fprintf(w, "cache       %s\n", s.CacheDir)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range s.Cached {
		_, _ = fmt.Fprintf(tab, "  %s\t%s\t%s\t%d MB\tin %s\t%s\n", c.Tool, c.Version, c.Origin, c.Size>>20, c.Took.Round(time.Second), c.Installed.Local().Format(time.DateTime))
	}
	_ = tab.Flush()
}

func printToolchain(w io.Writer, b tofu.Binary, providers *tofu.Providers) {
	_, _ = fmt.Fprintf(w, "tofu        %s  %s  (%s, sha256 %.12s)\n", b.Version, b.Path, b.Origin, b.SHA256)
	if providers != nil {
		printProviders(w, *providers)
	}
}

func printProviders(w io.Writer, p tofu.Providers) {
	if p.Source == tofu.ProvidersFromRegistry {
		_, _ = fmt.Fprintln(w, "providers   from the registry")
		return
	}
	_, _ = fmt.Fprintf(w, "providers   from the mirror %s\n", p.Mirror)
	for _, pkg := range p.Packages {
		note := ""
		if pkg.SandboxOnly {
			note = "  (built here: for the sandbox only)"
		}
		_, _ = fmt.Fprintf(w, "  %s %s%s\n", pkg.Address, pkg.Version, note)
	}
}

// progressPrinter shows progress on one line of a terminal, or as a line per step, and one every ten seconds, in a log.
type progressPrinter struct {
	w        io.Writer
	terminal bool
	width    int
	last     tofu.Progress
	printed  time.Time
	open     bool
}

func newProgressPrinter(w io.Writer) *progressPrinter {
	p := &progressPrinter{w: w, width: 100}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.terminal = true
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 20 {
		p.width = width
	}
	return p
}

func (p *progressPrinter) print(progress tofu.Progress) {
	now := time.Now()
	newStep := progress.Tool != p.last.Tool || progress.Stage != p.last.Stage
	every := 10 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if !newStep && now.Sub(p.printed) < every {
		return
	}
	p.last, p.printed = progress, now
	line := fmt.Sprintf("[%s] %s", progress.Elapsed(now), progress)
	if !p.terminal {
		_, _ = fmt.Fprintln(p.w, line)
		return
	}
	if newStep && p.open {
		_, _ = fmt.Fprintln(p.w)
	}
	if len(line) >= p.width {
		line = line[:p.width-1]
	}
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.open = true
}

func (p *progressPrinter) finish() {
	if p.open {
		_, _ = fmt.Fprintln(p.w)
		p.open = false
	}
}
