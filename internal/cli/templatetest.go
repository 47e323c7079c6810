package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/trial"
)

const defaultTestTime = 30 * time.Minute

// newTemplateTest is "berth template test", which brings its own server.
func newTemplateTest(t *target) *cobra.Command {
	var o trial.Options
	var set []string
	var values string
	var keep bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "test [PATH...]",
		Short: "Deploy templates into a sandbox, check them, destroy them, and prove that nothing is left",
		Long: "Deploy the environment templates of documents (files, or folders with them; the current folder when none is named)\n" +
			"into a sandbox of its own, check what comes of it, destroy it, and prove that nothing is left. It needs no server and\n" +
			"no account. A berth.test.yaml beside the documents names cases and what is expected of them.",
		Example: "  berth template test templates/sample\n  berth template test templates/ecs --set container_port=8080 --keep-on-failure",
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.output != "table" && t.output != "json" {
				return usagef("-o must be table or json; you gave %q.", t.output)
			}
			var err error
			if o.Inputs, err = testInputs(values, set); err != nil {
				return err
			}
			o.Say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			if keep {
				o.Keep = func(ctx context.Context, url, email, password string) {
					o.Say("  kept: open %s as %s with the password %s; Ctrl-C destroys it", url, email, password)
					<-ctx.Done()
				}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return testTemplates(ctx, cmd, t, args, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Template, "template", "", "only this environment template")
	f.StringVar(&o.Version, "version", "", "only this version")
	f.StringArrayVar(&set, "set", nil, "input of every case as name=value; may be repeated")
	f.StringVar(&values, "values", "", "file with inputs of every case (YAML or JSON: name: value)")
	f.BoolVar(&keep, "keep-on-failure", false, "keep an environment that failed, and the server, until Ctrl-C")
	f.DurationVar(&timeout, "timeout", defaultTestTime, "how long everything may take")
	f.StringVar(&o.Toolchain.TofuPath, "tofu", "", "path of the OpenTofu binary to use; found or installed when left out")
	f.StringVar(&o.Toolchain.ProviderMirror, "provider-mirror", "", "filesystem mirror of providers to use")
	return cmd
}

// testInputs are those of the file with those of the command line, which win.
func testInputs(file string, set []string) (map[string]any, error) {
	out := map[string]any{}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("Reading %s: %s", file, err)
		}
		asJSON, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, usagef("Reading %s: %s", file, err)
		}
		dec := json.NewDecoder(strings.NewReader(string(asJSON)))
		dec.UseNumber()
		if err := dec.Decode(&out); err != nil {
			return nil, usagef("Reading %s: %s", file, err)
		}
	}
	for _, pair := range set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usagef("--set must have the form name=value; you gave %q.", pair)
		}
		out[name] = value
	}
	return out, nil
}

func testTemplates(ctx context.Context, cmd *cobra.Command, t *target, paths []string, o trial.Options) error {
	cases, err := trial.Load(paths, o)
	if err != nil {
		return err
	}
	if !cases.NeedsProviders(ctx) && o.Toolchain.ProviderMirror == "" {
		o.Toolchain.Providers = tofu.ProvidersFromRegistry // which is then never asked, and no mirror is made
	}
	if err := installTools(cmd, o.Toolchain); err != nil {
		return err
	}
	report, err := cases.Run(ctx, o)
	if report != nil && (err == nil || len(report.Cases) > 0) {
		if err := printTest(cmd, t, report); err != nil {
			return err
		}
	}
	switch {
	case err == nil && report.Failed > 0:
		return &runError{exitRunFailed, fmt.Sprintf("%s failed.", count(report.Failed, "case"))}
	case cmd.Context().Err() != nil:
		return &runError{exitRunCanceled, "The test was stopped."}
	case errors.Is(err, context.DeadlineExceeded):
		return &runError{exitRunFailed, "The test did not end within the time that --timeout gives it."}
	}
	return err
}

func printTest(cmd *cobra.Command, t *target, r *trial.Report) error {
	w := cmd.OutOrStdout()
	if t.output == "json" {
		return printJSON(w, r)
	}
	for _, c := range r.Cases {
		verdict := "ok    "
		if !c.Passed {
			verdict = "FAILED"
		}
		fmt.Fprintf(w, "%s  %s %s  %s  (%.1f s)\n", verdict, c.Template, c.Version, c.Name, c.Seconds)
		for _, f := range c.Failures {
			fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(f, "\n", "\n        "))
		}
		if c.Log != "" {
			fmt.Fprintf(w, "        the end of the log:\n        | %s\n", strings.ReplaceAll(c.Log, "\n", "\n        | "))
		}
	}
	fmt.Fprintf(w, "%s, %d failed.\n", count(len(r.Cases), "case"), r.Failed)
	return nil
}
