package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
)

// runError says that a run ended otherwise than it should.
type runError struct {
	code    int
	message string
}

func (e *runError) Error() string { return e.message }

func newEnvStart(t *target, verb, short string) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			return startAndWait(cmd, client, t, args[0], verb, wait)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it has ended; the exit code tells how")
	return cmd
}

func startAndWait(cmd *cobra.Command, client *api.Client, t *target, name, verb string, wait bool) error {
	r, err := client.Start(cmd.Context(), t.project, name, verb)
	if err != nil {
		return err
	}
	if !wait {
		return t.print(cmd, r, func(w io.Writer) {
			line(w, fmt.Sprintf("Run %d of %s has started. Follow it with: berth env logs %s -p %s -f", r.Number, name, name, t.project))
		})
	}
	if r, err = waitForRun(cmd, client, t, name, r.Number); err != nil {
		return err
	}
	e, err := client.Environment(cmd.Context(), t.project, name)
	if err != nil {
		return err
	}
	if err := outcome(name, r); err != nil {
		return err
	}
	return t.print(cmd, e, func(w io.Writer) {
		line(w, fmt.Sprintf("%s is %s.", name, e.Status))
		if e.Endpoint != "" {
			line(w, e.Endpoint)
		}
	})
}

// waitForRun tells on standard error what happens, so that standard output stays for the result.
func waitForRun(cmd *cobra.Command, client *api.Client, t *target, name string, number int) (api.Run, error) {
	told := map[string]string{}
	say := func(key, state, text string) {
		if told[key] != state {
			told[key] = state
			fmt.Fprintf(cmd.ErrOrStderr(), "%s  %s\n", time.Now().Format(time.TimeOnly), text)
		}
	}
	return client.WatchRun(cmd.Context(), t.project, name, number, func(r api.Run) {
		if r.Status == "queued" && r.Cause != "" {
			say("", r.Cause, r.Cause)
		}
		for _, s := range r.Steps {
			if s.Status == "pending" || s.Status == "ready" {
				continue
			}
			say(s.Resource, s.Status+s.Phase, s.Resource+": "+cmp.Or(runningPhase(s), s.Status))
			for _, o := range s.Objects {
				if o.Status == "finished" || o.Status == "errored" {
					say(s.Resource+" "+o.Address+o.Action, o.Status, fmt.Sprintf("%s: %s %s %s", s.Resource, o.Address, o.Action, o.Status))
				}
			}
		}
	})
}

func runningPhase(s api.Step) string {
	if s.Status == "running" {
		return s.Phase
	}
	return ""
}

// outcome is nil when the run did what was asked.
func outcome(name string, r api.Run) error {
	switch r.Status {
	case "succeeded":
		return nil
	case "canceled":
		return &runError{exitRunCanceled, fmt.Sprintf("Run %d of %s was canceled.", r.Number, name)}
	}
	message := fmt.Sprintf("Run %d of %s failed", r.Number, name)
	if r.Cause != "" {
		message += ": " + r.Cause
	}
	for _, s := range r.Steps {
		for _, d := range s.Diagnostics {
			if d.Severity == "error" {
				message += describeError(s.Resource, d)
			}
		}
	}
	return &runError{exitRunFailed, message}
}

// describeError tells what went wrong, where, by what evidence, and what to try. A summary that is the cause already is not
// said twice.
func describeError(resource string, d api.Diagnostic) string {
	message := "\n  " + strings.TrimSpace(resource+" "+d.Address) + ":"
	if d.Source == "" {
		message += " " + d.Summary
	}
	if d.Detail != "" {
		message += "\n    " + strings.ReplaceAll(d.Detail, "\n", "\n    ")
	}
	if len(d.Try) > 0 {
		message += "\n  What to try:\n    - " + strings.Join(d.Try, "\n    - ")
	}
	return message
}

func newEnvPlan(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "plan NAME",
		Short: "Show what a deploy would change, and change nothing",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			r, err := client.Start(cmd.Context(), t.project, args[0], "plan")
			if err != nil {
				return err
			}
			if r, err = waitForRun(cmd, client, t, args[0], r.Number); err != nil {
				return err
			}
			if err := outcome(args[0], r); err != nil {
				return err
			}
			plan, err := client.Plan(cmd.Context(), t.project, args[0], r.Number)
			if err != nil {
				return err
			}
			return t.print(cmd, plan, func(w io.Writer) { describePlan(w, plan) })
		},
	}
}

func describePlan(w io.Writer, p api.Plan) {
	if len(p.Changes) == 0 {
		line(w, "Nothing would change.")
	}
	for _, c := range p.Changes {
		line(w, c.Action, c.Resource, c.Address)
		for _, a := range c.Attributes {
			before, after := string(a.Before), string(a.After)
			if a.Unknown {
				after = "(known after it is applied)"
			}
			if a.Sensitive {
				before, after = "(hidden)", "(hidden)"
			}
			line(w, "", "", a.Path+": "+before+" -> "+after)
		}
	}
	for _, name := range p.Waiting {
		line(w, "later", name, "can be planned once what it depends on exists")
	}
}

func sortedKeys[M ~map[string]V, V any](m M) []string { return slices.Sorted(maps.Keys(m)) }
