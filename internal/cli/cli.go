// Package cli is the berth command: it starts servers and carries out the client commands, which are built on package
// api; to find out what files hold, they use the parser of package manifest, and to pack code, package bundle. It must not
// hold rules of the product: what it sends, the server checks.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/sandbox/dataplane"
)

// Exit codes of the command; docs/cli.md tells users.
const (
	exitOK              = 0
	exitInternal        = 1
	exitInvalid         = 2 // wrong flags, or input that the server refused
	exitUnauthenticated = 3
	exitForbidden       = 4
	exitNotFound        = 5
	exitConflict        = 6
	exitUnavailable     = 7 // no server answered, or it is not ready
	exitRunFailed       = 8
	exitRunCanceled     = 9
)

// Main runs the command and returns its exit code. It first serves as a supervisor of steps or of sandbox tasks when this
// process was started as one.
func Main() int {
	runner.MaybeSupervise()
	dataplane.MaybeRunShim()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr, os.LookupEnv})
}

// stdio is what a command has of the world around it.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	env      func(name string) (string, bool)
}

type environKey struct{}

// environ returns a variable of the environment that the command was started in, empty when there is none.
func environ(cmd *cobra.Command, name string) string {
	value, _ := lookupEnviron(cmd, name)
	return value
}

func lookupEnviron(cmd *cobra.Command, name string) (string, bool) {
	if lookup, ok := cmd.Context().Value(environKey{}).(func(string) (string, bool)); ok {
		return lookup(name)
	}
	return os.LookupEnv(name)
}

func run(ctx context.Context, args []string, std stdio) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	cmd, err := root.ExecuteContextC(context.WithValue(ctx, environKey{}, std.env))
	if err == nil {
		return exitOK
	}
	report(cmd, err)
	return exitCode(err)
}

// exitCode maps every error to a documented code.
func exitCode(err error) int {
	var ended *runError
	var refused *api.Error
	var usage *usageError
	switch {
	case errors.As(err, &ended):
		return ended.code
	case errors.Is(err, api.ErrUnreachable):
		return exitUnavailable
	case errors.As(err, &refused) && refused.Code == api.CodeUnexpectedAnswer:
		return exitUnavailable
	case errors.As(err, &refused):
		return statusCode(refused.Status)
	case errors.As(err, &usage):
		return exitInvalid
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return exitInvalid
	case fault.Unauthenticated:
		return exitUnauthenticated
	case fault.Forbidden:
		return exitForbidden
	case fault.NotFound:
		return exitNotFound
	case fault.Conflict:
		return exitConflict
	case fault.Unavailable:
		return exitUnavailable
	case fault.Internal:
	}
	return exitInternal
}

func statusCode(status int) int {
	switch status {
	case 400, 413, 415, 422:
		return exitInvalid
	case 401:
		return exitUnauthenticated
	case 403:
		return exitForbidden
	case 404:
		return exitNotFound
	case 409, 412:
		return exitConflict
	case 429, 502, 503, 504:
		return exitUnavailable
	}
	return exitInternal
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "berth",
		Short: "Environments from templates: deploy, watch, open, destroy",
		Long: "Berth makes environments from templates that a platform team publishes.\n\n" +
			"Try it on this machine:   berth dev\n" +
			"Run it for a team:        berth serve --help\n" +
			"Use a server:             berth login --url https://berth.example.com",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s\nSee %s --help.", err, cmd.CommandPath())
	})
	root.AddCommand(
		newDevCommand(), newServeCommand(), newSandboxCommand(), newToolchainCommand(),
		newLoginCommand(), newLogoutCommand(), newProjectCommand(), newTemplateCommand(), newEnvironmentCommand(),
		newContextCommand(), newUserCommand(), newVersionCommand(),
		newApplyCommand(), newGetCommand(), newDescribeCommand(), newDeleteCommand(), newExportCommand(), newSchemaCommand(), newRepositoryCommand(),
	)
	strict(root)
	return root
}
