package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
)

// Codes of errors that no server has given. docs/errors.md tells users.
const (
	codeUsage       = "usage"
	codeUnreachable = "unreachable"
	codeRunFailed   = "run_failed"
	codeRunCanceled = "run_canceled"
)

// report prints the error, in the form the API gives it when JSON was asked for.
func report(cmd *cobra.Command, err error) {
	if flag := cmd.Flags().Lookup("output"); flag != nil && flag.Value.String() == "json" {
		if printJSON(cmd.ErrOrStderr(), wireError(err)) == nil {
			return
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Error: %s\n", err)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && cmd.Name() != "login" {
		fmt.Fprintln(cmd.ErrOrStderr(), "Sign in with: berth login --url URL --email EMAIL")
	}
}

// wireError is any error as an answer of the API. One that is not has no status.
func wireError(err error) *api.Error {
	var refused *api.Error
	var ended *runError
	var usage *usageError
	out := &api.Error{Detail: err.Error()}
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &ended) && ended.code == exitRunCanceled:
		out.Title, out.Code = "Run canceled", codeRunCanceled
	case errors.As(err, &ended):
		out.Title, out.Code = "Run failed", codeRunFailed
	case errors.As(err, &usage):
		out.Title, out.Code = "Usage", codeUsage
	case errors.Is(err, api.ErrUnreachable):
		out.Title, out.Code = "Unreachable", codeUnreachable
	default:
		out.Title, out.Code = "Error", cmp.Or(fault.CodeOf(err), string(fault.Internal))
	}
	return out
}

// usageError is a command line that cannot be understood.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// strict makes wrong arguments and unknown subcommands usage errors: cobra shows the help for the latter and is content.
func strict(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check == nil {
			check = cobra.ArbitraryArgs
		}
		if err := check(cmd, args); err != nil {
			return usagef("%s\nSee %s --help.", err, cmd.CommandPath())
		}
		return nil
	}
	if !cmd.Runnable() {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q for %q\nSee %s --help.", args[0], cmd.CommandPath(), cmd.CommandPath())
			}
			return cmd.Help()
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}
