package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
)

// newTemplateVerbs are the commands of "berth template" for those who write templates.
func newTemplateVerbs(t *target) []*cobra.Command {
	return []*cobra.Command{
		newTemplateState(t, "activate", "active", "Let a version be used; from then on it does not change"),
		newTemplateState(t, "disable", "disabled", "Let a version be chosen no more; environments that use it stay"),
		newTemplateCompare(t), newTemplateShare(t),
	}
}

// bindKind adds the flag that says of which kind a template is.
func bindKind(cmd *cobra.Command, kind *string) {
	cmd.Flags().StringVar(kind, "kind", "et", "environmenttemplate (et) or resourcetemplate (rt)")
}

func templatePath(kindName string) (manifest.Kind, string, error) {
	kind, err := parseKind(kindName)
	if err != nil {
		return "", "", err
	}
	path, ok := templateKind(kind)
	if !ok {
		return "", "", usagef("--kind must be environmenttemplate or resourcetemplate; you gave %q.", kindName)
	}
	return kind, path, nil
}

func newTemplateState(t *target, verb, state, short string) *cobra.Command {
	var kindName string
	cmd := &cobra.Command{
		Use: verb + " NAME VERSION", Short: short, Args: cobra.ExactArgs(2),
		Example: "  berth template " + verb + " vpc v1 --kind rt -p demo",
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, path, err := templatePath(kindName)
			if err != nil {
				return err
			}
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			if err := client.SetState(cmd.Context(), t.project, path, args[0], args[1], state); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s is %s.\n", object(string(kind), args[0]), args[1], state)
			return err
		},
	}
	bindKind(cmd, &kindName)
	return cmd
}

func newTemplateCompare(t *target) *cobra.Command {
	var kindName string
	cmd := &cobra.Command{
		Use: "compare NAME FROM TO", Short: "Show what differs between two versions", Args: cobra.ExactArgs(3),
		Example: "  berth template compare ecs v1 v2 -p demo",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, path, err := templatePath(kindName)
			if err != nil {
				return err
			}
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			d, err := client.Compare(cmd.Context(), t.project, path, args[0], args[1], args[2])
			if err != nil {
				return err
			}
			return t.print(cmd, d, func(w io.Writer) { printComparison(w, d) })
		},
	}
	bindKind(cmd, &kindName)
	return cmd
}

func printComparison(w io.Writer, d api.Comparison) {
	same := true
	for _, part := range []struct {
		title string
		items []api.ItemDiff
	}{{"Inputs", d.Inputs}, {"Outputs", d.Outputs}, {"Resources", d.Resources}, {"Variables", d.Variables}, {"Contexts", d.Contexts}} {
		if len(part.items) == 0 {
			continue
		}
		same = false
		fmt.Fprintln(w, part.title+":")
		for _, i := range part.items {
			fmt.Fprintf(w, "  %s %s\n", i.Name, i.Change)
			printFields(w, "    ", i.Fields)
		}
	}
	if len(d.Settings) > 0 {
		same = false
		fmt.Fprintln(w, "Settings:")
		printFields(w, "  ", d.Settings)
	}
	for _, f := range d.Files {
		same = false
		name := f.Path
		if f.Resource != "" {
			name = f.Resource + ": " + name
		}
		fmt.Fprintf(w, "%s %s\n", name, f.Change)
		if f.Unified != "" {
			fmt.Fprintln(w, strings.TrimRight(f.Unified, "\n"))
		}
	}
	switch {
	case d.Truncated:
		fmt.Fprintln(w, "There are more files that differ.")
	case same && d.SourceHidden:
		fmt.Fprintln(w, "The inputs are the same. Code is compared for those who may read the source of templates.")
	case same:
		fmt.Fprintf(w, "%s and %s are the same.\n", d.From, d.To)
	}
}

func printFields(w io.Writer, indent string, list []api.FieldDiff) {
	for _, f := range list {
		fmt.Fprintf(w, "%s%s: %s -> %s\n", indent, f.Field, shown(f.Before), shown(f.After))
	}
}

func newTemplateShare(t *target) *cobra.Command {
	var kindName string
	var with []string
	var everyone, nobody bool
	cmd := &cobra.Command{
		Use: "share NAME", Short: "Say which projects may use a template, context or static resource", Args: cobra.ExactArgs(1),
		Long:    "Say which projects may use a template, or with --kind ctx and --kind static a config context or static resource. Without\na flag that says with whom, show with whom it is shared.",
		Example: "  berth template share ecs -p platform --with web --with shop\n  berth template share ecs -p platform --everyone",
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := parseKind(kindName)
			if err != nil {
				return err
			}
			if everyone && nobody || (everyone || nobody) && len(with) > 0 {
				return usagef("Give one of --with, --everyone and --nobody.")
			}
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			var out api.ObjectSharing
			if everyone || nobody || len(with) > 0 {
				in := api.ObjectSharing{Projects: slices.Concat([]string{}, with)}
				if everyone {
					in.Projects = []string{"*"}
				}
				out, err = client.SetSharing(cmd.Context(), t.project, string(kind), args[0], in)
			} else {
				out, err = client.Sharing(cmd.Context(), t.project, string(kind), args[0])
			}
			if err != nil {
				return err
			}
			return t.print(cmd, out, func(w io.Writer) {
				fmt.Fprintf(w, "%s is shared with %s.\n", object(string(kind), args[0]), sharedText(out.Projects))
			})
		},
	}
	bindKind(cmd, &kindName)
	cmd.Flags().StringArrayVar(&with, "with", nil, "project to share with, in place of those before; may be repeated")
	cmd.Flags().BoolVar(&everyone, "everyone", false, "share with all projects")
	cmd.Flags().BoolVar(&nobody, "nobody", false, "share no more")
	return cmd
}

func sharedText(projects []string) string {
	switch text := strings.Join(projects, ", "); text {
	case "":
		return "nobody"
	case "*":
		return "all projects"
	default:
		return text
	}
}

func newRepositoryCommand() *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{Use: "repository", Aliases: []string{"repositories", "repo"}, Short: "Try git repositories that templates are read from"}
	t.bind(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "test NAME", Short: "Try whether a repository can be read", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			v, err := client.TestRepository(cmd.Context(), t.project, args[0])
			if err != nil {
				return err
			}
			if err := t.print(cmd, v, func(w io.Writer) { printVerdict(w, v) }); err != nil {
				return err
			}
			if !v.OK {
				return usagef("The repository %q cannot be read.", args[0])
			}
			return nil
		},
	})
	return cmd
}

func printVerdict(w io.Writer, v api.Verdict) {
	fmt.Fprintln(w, v.Message)
	if v.Advice != "" {
		fmt.Fprintln(w, v.Advice)
	}
	if v.HostKey != "" {
		fmt.Fprintln(w, v.HostKey)
	}
	if v.OK {
		line(w, "Default branch:", v.DefaultBranch)
		line(w, "Commit:", v.Commit)
		line(w, "Branches:", strings.Join(v.Branches, ", "))
		line(w, "Tags:", strings.Join(v.Tags, ", "))
	}
}

func newProjectSharing(t *target) *cobra.Command {
	var delegate string
	cmd := &cobra.Command{
		Use: "sharing PROJECT --delegate on|off", Short: "Let a project's admins share what it owns, or no longer", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if delegate != "on" && delegate != "off" {
				return usagef("--delegate must be on or off.")
			}
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			p, err := client.DelegateSharing(cmd.Context(), args[0], delegate == "on")
			if err != nil {
				return err
			}
			return t.print(cmd, p, func(w io.Writer) {
				may := "may share what it owns."
				if !p.SharingDelegated {
					may = "may not share what it owns."
				}
				fmt.Fprintf(w, "The admins of project %s %s\n", p.Name, may)
			})
		},
	}
	cmd.Flags().StringVar(&delegate, "delegate", "", "on or off")
	return cmd
}
