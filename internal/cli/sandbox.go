package cli

import (
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/sandbox"
)

// newSandboxCommand is "berth sandbox": the AWS look-alike on its own.
func newSandboxCommand() *cobra.Command {
	cfg := sandbox.Config{}
	inMemory := false
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run the local look-alike of AWS",
		Long: `Run the local look-alike of AWS on its own, for trying and testing.

Point any AWS client at it, with any keys:

  export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox AWS_DEFAULT_REGION=us-east-1
  aws --endpoint-url http://127.0.0.1:4566 ec2 describe-vpcs

Its page is at http://127.0.0.1:4566/_sandbox/.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			switch {
			case inMemory && cfg.DataDir != "":
				return errors.New("--in-memory and --data-dir exclude each other: leave one out")
			case !inMemory && cfg.DataDir == "":
				cfg.DataDir = defaultSandboxDir()
			}
			cfg.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return sandbox.Run(ctx, cfg)
		},
	}
	cmd.Flags().StringVar(&cfg.Addr, "addr", sandbox.DefaultAddr, "address to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&cfg.DataDir, "data-dir", "", "directory that keeps the state (default $XDG_DATA_HOME/berth/sandbox or ~/.local/share/berth/sandbox)")
	cmd.Flags().BoolVar(&inMemory, "in-memory", false, "keep no state on disk")
	cmd.Flags().BoolVar(&cfg.LogRequests, "log-requests", false, "log every AWS call with its input")
	return cmd
}

// defaultSandboxDir follows the XDG convention, with the working directory as
// the last resort for users without a home.
func defaultSandboxDir() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "berth", "sandbox")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".berth-sandbox"
	}
	return filepath.Join(home, ".local", "share", "berth", "sandbox")
}
