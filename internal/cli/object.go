package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
)

func newGetCommand() *cobra.Command {
	t := &target{}
	var versionName string
	cmd := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "List objects of a kind, or print one as a document",
		Long: "List the objects of a kind that a project has or may use, or one of them. With a name, -o yaml and -o json print the\n" +
			"document that berth apply takes; sensitive values are left out. Kinds may be written in any case, in the plural, or\n" +
			"short: repo, ctx, static, rt, et, env.",
		Example: "  berth get rt -p demo\n  berth get environmenttemplate ecs --version v1 -p demo -o yaml",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, client, err := t.object(cmd, args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 && (t.output == "json" || t.output == "yaml") {
				return printDocument(cmd, t, client, kind, args[1], versionName)
			}
			list, err := client.Manifests(cmd.Context(), t.project, string(kind))
			if err != nil {
				return err
			}
			if len(args) == 2 {
				if list, err = onlyNamed(list, kind, args[1]); err != nil {
					return err
				}
			}
			if t.output == "name" {
				for _, i := range list {
					fmt.Fprintln(cmd.OutOrStdout(), object(i.Kind, i.Name))
				}
				return nil
			}
			return t.print(cmd, list, func(w io.Writer) { listObjects(w, kind, list) })
		},
	}
	t.bind(cmd)
	cmd.PersistentFlags().Lookup("output").Usage = "table, json, yaml or name"
	cmd.Flags().StringVar(&versionName, "version", "", "version of a template; the newest when left out")
	cmd.ValidArgsFunction = t.completeObject
	return cmd
}

// object reads the kind and returns a client. "-o name" is a form that only get has.
func (t *target) object(cmd *cobra.Command, kindName string) (manifest.Kind, *api.Client, error) {
	kind, err := parseKind(kindName)
	if err != nil {
		return "", nil, err
	}
	if t.output == "name" {
		if cmd.Name() != "get" {
			return "", nil, usagef("-o must be table, json or yaml; you gave %q.", t.output)
		}
		t.output = "table"
		defer func() { t.output = "name" }()
	}
	client, err := t.client(cmd)
	return kind, client, err
}

// onlyNamed keeps the object of a name. The project's own counts before one that is shared with it.
func onlyNamed(list []api.ManifestItem, kind manifest.Kind, name string) ([]api.ManifestItem, error) {
	list = slices.DeleteFunc(list, func(i api.ManifestItem) bool { return i.Name != name })
	if own := slices.IndexFunc(list, func(i api.ManifestItem) bool { return i.Own }); own >= 0 {
		list = list[own : own+1]
	}
	if len(list) == 0 {
		return nil, &api.Error{
			Title: "Not Found", Status: http.StatusNotFound, Code: "manifest_not_found", Detail: fmt.Sprintf("There is no %s %q here.", kind, name),
		}
	}
	return list, nil
}

func printDocument(cmd *cobra.Command, t *target, client *api.Client, kind manifest.Kind, name, versionName string) error {
	m, err := client.Manifest(cmd.Context(), t.project, string(kind), name, versionName)
	if err != nil {
		return err
	}
	if t.output == "yaml" {
		_, err = io.WriteString(cmd.OutOrStdout(), m.Text)
		return err
	}
	return printJSON(cmd.OutOrStdout(), m.Document)
}

func listObjects(w io.Writer, kind manifest.Kind, list []api.ManifestItem) {
	owner := func(i api.ManifestItem) string {
		if i.Own {
			return "(own)"
		}
		return cmp.Or(i.Owner, "(organisation)")
	}
	switch kind {
	case manifest.KindResourceTemplate, manifest.KindEnvironmentTemplate:
		line(w, "NAME", "VERSIONS", "OWNER", "DESCRIPTION")
		for _, i := range list {
			line(w, i.Name, versionsText(i.Versions), owner(i), i.Description)
		}
	case manifest.KindEnvironment:
		line(w, "NAME", "STATUS", "TEMPLATE")
		for _, i := range list {
			line(w, i.Name, i.Status, i.Template)
		}
	case manifest.KindProject:
		line(w, "NAME", "DESCRIPTION")
		for _, i := range list {
			line(w, i.Name, i.Description)
		}
	case manifest.KindRepository, manifest.KindConfigContext, manifest.KindStaticResource:
		line(w, "NAME", "OWNER", "DESCRIPTION")
		for _, i := range list {
			line(w, i.Name, owner(i), i.Description)
		}
	}
}

// versionsText names versions, and the state of those that are not active.
func versionsText(list []api.ManifestVersion) string {
	var out []string
	for _, v := range list {
		text := v.Version
		if v.State != "active" {
			text += " (" + v.State + ")"
		}
		if v.Errors > 0 {
			text += " (" + count(v.Errors, "error") + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// doomed is an object to delete.
type doomed struct {
	kind                   manifest.Kind
	project, name, version string
}

func (d doomed) String() string {
	return strings.TrimSpace(object(string(d.kind), d.name) + " " + d.version)
}

func newDeleteCommand() *cobra.Command {
	t := &target{}
	var files []string
	var versionName string
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete KIND NAME | delete -f FILE|FOLDER|-",
		Short: "Delete objects that nothing uses",
		Long: "Delete an object, a version of a template, or everything that documents describe, what needs others first. What is in\n" +
			"use is refused and its users are named. Environments have to be destroyed before.",
		Example: "  berth delete rt vpc --version v1 -p demo\n  berth delete -f infra/ -p demo --yes",
		Args:    cobra.RangeArgs(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, client, err := t.toDelete(cmd, args, files, versionName)
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(cmd, list); err != nil {
					return err
				}
			}
			return deleteAll(cmd, client, list, len(files) > 0)
		},
	}
	t.bind(cmd)
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "delete what a file or folder describes, - for standard input; may be repeated")
	cmd.Flags().StringVar(&versionName, "version", "", "version of a template; all when left out")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.ValidArgsFunction = t.completeObject
	return cmd
}

func (t *target) toDelete(cmd *cobra.Command, args, names []string, versionName string) ([]doomed, *api.Client, error) {
	if len(names) > 0 {
		if len(args) > 0 || versionName != "" {
			return nil, nil, usagef("Give either a kind and a name, or -f.")
		}
		read, err := readFiles(cmd, names)
		if err != nil {
			return nil, nil, err
		}
		if err := t.documentsProject(cmd, read.docs); err != nil {
			return nil, nil, err
		}
		client, err := t.anyClient(cmd)
		return doomedDocuments(read.docs, t.project), client, err
	}
	if len(args) != 2 {
		return nil, nil, usagef("Name the kind and the object, or files with -f.\nSee berth delete --help.")
	}
	kind, client, err := t.object(cmd, args[0])
	return []doomed{{kind, t.project, args[1], versionName}}, client, err
}

// doomedDocuments orders what documents describe so that what needs others comes before them.
func doomedDocuments(docs []*manifest.Document, project string) []doomed {
	var out []doomed
	for _, d := range docs {
		one := doomed{d.Kind, cmp.Or(d.Project, project), d.Name, d.Version()}
		if d.Kind == manifest.KindProject {
			one.project = d.Name
		}
		out = append(out, one)
	}
	order := manifest.Kinds()
	slices.SortStableFunc(out, func(a, b doomed) int { return slices.Index(order, b.kind) - slices.Index(order, a.kind) })
	return out
}

func confirm(cmd *cobra.Command, list []doomed) error {
	file, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return usagef("There is no terminal to ask on; add --yes to delete %s.", count(len(list), "object"))
	}
	for _, d := range list {
		fmt.Fprintln(cmd.ErrOrStderr(), d)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Delete %s? [y/N] ", count(len(list), "object"))
	answer, err := bufio.NewReader(file).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return usagef("Nothing was deleted.")
	}
	return nil
}

// deleteAll goes on after what is refused, and returns the first refusal. Of documents, what is gone already is no error.
func deleteAll(cmd *cobra.Command, client *api.Client, list []doomed, documents bool) error {
	var first error
	for _, d := range list {
		err := client.DeleteManifest(cmd.Context(), d.project, string(d.kind), d.name, d.version)
		var refused *api.Error
		switch {
		case err == nil:
			fmt.Fprintf(cmd.OutOrStdout(), "%s deleted\n", d)
		case documents && errors.As(err, &refused) && refused.Status == http.StatusNotFound:
			fmt.Fprintf(cmd.OutOrStdout(), "%s not found\n", d)
		case errors.As(err, &refused):
			if len(list) > 1 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", d, refused.Detail)
			}
			first = cmp.Or(first, err)
		default:
			return err
		}
	}
	return first
}
