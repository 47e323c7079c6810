package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/internal/lint"
	"github.com/berthdev/berth/internal/tofu"
)

// newTemplateLint is "berth template lint", which needs no server.
func newTemplateLint(t *target) *cobra.Command {
	var offline, strictly, install bool
	var format string
	var tools tofu.Config
	cmd := &cobra.Command{
		Use:   "lint [PATH...]",
		Short: "Check documents and the code of their templates, without a server",
		Long: "Check documents (files, or folders with them; the current folder when none is named) and the code of their templates.\n" +
			"It needs no server and no account, and leaves nothing behind. The code is checked with OpenTofu where there is one;\n" +
			"--install-toolchain gets it first.",
		Example: "  berth template lint templates\n  berth template lint --strict --format github",
		RunE: func(cmd *cobra.Command, args []string) error {
			form := t.output
			if format != "" {
				form = format
			}
			if form != "table" && form != "json" && form != "github" {
				return usagef("--format must be table, json or github; you gave %q.", form)
			}
			if install {
				if err := installTools(cmd, tools); err != nil {
					return err
				}
			}
			report, err := lint.Run(cmd.Context(), args, lint.Options{Offline: offline, Toolchain: tools})
			if err != nil {
				return err
			}
			if err := printLint(cmd.OutOrStdout(), form, report); err != nil {
				return err
			}
			if report.Errors > 0 || strictly && report.Warnings > 0 {
				return &runError{exitInvalid, "The documents have " + lintCounts(report) + "."}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&offline, "offline", false, "leave out OpenTofu and everything that is not on this machine")
	f.BoolVar(&strictly, "strict", false, "take warnings for errors")
	f.BoolVar(&install, "install-toolchain", false, "get OpenTofu first, as berth toolchain install does")
	f.StringVar(&format, "format", "", "table, json, or github for the annotations of a workflow (default: what -o says)")
	f.StringVar(&tools.TofuPath, "tofu", "", "path of the OpenTofu binary to use")
	f.StringVar(&tools.ProviderMirror, "provider-mirror", "", "filesystem mirror of providers to use")
	return cmd
}

// installTools makes the toolchain ready and shows how that goes.
func installTools(cmd *cobra.Command, cfg tofu.Config) error {
	m, err := tofu.NewManager(cfg)
	if err != nil {
		return err
	}
	printer := newProgressPrinter(cmd.ErrOrStderr())
	_, err = m.Install(cmd.Context(), printer.print)
	printer.finish()
	return err
}

func lintCounts(r *lint.Report) string {
	return count(r.Errors, "error") + " and " + count(r.Warnings, "warning")
}

func printLint(w io.Writer, form string, r *lint.Report) error {
	switch form {
	case "json":
		return printJSON(w, r)
	case "github":
		for _, p := range r.Problems {
			line(w, annotation(p))
		}
		return nil
	}
	for _, p := range r.Problems {
		subject := ""
		if p.Kind != "" {
			subject = strings.TrimSpace(p.Kind+" "+p.Name) + ": "
		}
		fmt.Fprintf(w, "%s: %s: %s%s\n", p.Place(), p.Severity, subject, said(p))
	}
	fmt.Fprintf(w, "%s, %s: %s.\n", count(r.Files, "file"), count(r.Documents, "document"), lintCounts(r))
	return nil
}

// said is the message of a problem with the field it is about, which many messages leave to their field.
func said(p lint.Problem) string {
	if p.Field == "" || strings.Contains(p.Message, p.Field) || strings.HasPrefix(p.Message, "not checked") {
		return p.Message
	}
	return p.Field + ": " + p.Message
}

// annotation is a problem in the form that a workflow's log shows beside the code.
func annotation(p lint.Problem) string {
	command := map[lint.Severity]string{lint.Error: "error", lint.Warning: "warning", lint.Info: "notice"}[p.Severity]
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	message := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	out := "::" + command + " file=" + property.Replace(p.File)
	if p.Line > 0 {
		out += fmt.Sprintf(",line=%d", p.Line)
		if p.Column > 0 {
			out += fmt.Sprintf(",col=%d", p.Column)
		}
	}
	return out + "::" + message.Replace(said(p))
}
