package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
)

func newDescribeCommand() *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{
		Use:     "describe KIND NAME",
		Short:   "Show an object with its versions, problems, users and sharing",
		Example: "  berth describe rt vpc -p demo\n  berth describe env ecs-1 -p demo",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, client, err := t.object(cmd, args[0])
			if err != nil {
				return err
			}
			d, err := describe(cmd, client, t.project, kind, args[1])
			if err != nil {
				return err
			}
			if t.output != "table" {
				return t.print(cmd, d, nil)
			}
			return d.print(cmd.OutOrStdout())
		},
	}
	t.bind(cmd)
	cmd.ValidArgsFunction = t.completeObject
	return cmd
}

// description is all that is told of one object.
type description struct {
	Object      api.ManifestItem         `json:"object"`
	Document    string                   `json:"document,omitempty"` // in YAML; empty when it may not be read
	Sharing     []string                 `json:"sharing,omitempty"`
	Problems    map[string][]api.Problem `json:"problems,omitempty"` // by version
	Users       []api.VersionUsers       `json:"users,omitempty"`
	Environment *api.Environment         `json:"environment,omitempty"`
	kind        manifest.Kind
}

// describe gathers what the user may see; what they may not is left out.
func describe(cmd *cobra.Command, client *api.Client, project string, kind manifest.Kind, name string) (*description, error) {
	ctx := cmd.Context()
	list, err := client.Manifests(ctx, project, string(kind))
	if err != nil {
		return nil, err
	}
	if list, err = onlyNamed(list, kind, name); err != nil {
		return nil, err
	}
	d := &description{Object: list[0], kind: kind, Problems: map[string][]api.Problem{}}
	if kind == manifest.KindEnvironment {
		e, err := client.Environment(ctx, project, name)
		d.Environment = &e
		return d, err
	}
	if !d.Object.Own {
		return d, nil
	}
	m, err := client.Manifest(ctx, project, string(kind), name, "")
	if err = unlessHidden(err); err != nil {
		return nil, err
	}
	d.Document = m.Text
	if kind != manifest.KindProject && kind != manifest.KindRepository {
		sharing, err := client.Sharing(ctx, project, string(kind), name)
		if err = unlessHidden(err); err != nil {
			return nil, err
		}
		d.Sharing = sharing.Projects
	}
	path, ok := templateKind(kind)
	if !ok {
		return d, nil
	}
	if d.Users, err = client.Users(ctx, project, path, name); unlessHidden(err) != nil {
		return nil, err
	}
	for _, v := range d.Object.Versions {
		if v.Errors+v.Warnings > 0 {
			if err := d.addProblems(cmd, client, project, v.Version); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// addProblems tries the version's own document, which changes nothing and tells what is wrong with the version.
func (d *description) addProblems(cmd *cobra.Command, client *api.Client, project, version string) error {
	m, err := client.Manifest(cmd.Context(), project, string(d.kind), d.Object.Name, version)
	if err != nil {
		return unlessHidden(err)
	}
	out, err := client.Apply(cmd.Context(), project, api.Apply{DryRun: true, Documents: []api.DocumentFile{{File: d.Object.Name, Text: m.Text}}})
	if err != nil {
		return unlessHidden(err)
	}
	for _, r := range out.Results {
		d.Problems[version] = append(d.Problems[version], r.Problems...)
	}
	return nil
}

func unlessHidden(err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return nil
	}
	return err
}

func (d *description) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	if d.Environment != nil {
		describeEnvironment(w, *d.Environment)
		return w.Flush()
	}
	line(w, "Name:", d.Object.Name)
	line(w, "Kind:", d.Object.Kind)
	if d.Object.Owner != "" && d.kind != manifest.KindProject {
		line(w, "Project:", d.Object.Owner)
	}
	if d.Object.Description != "" {
		line(w, "Description:", d.Object.Description)
	}
	line(w, "Changed:", d.Object.UpdatedAt.Local().Format(time.DateTime))
	if d.Document != "" && d.kind != manifest.KindProject && d.kind != manifest.KindRepository {
		line(w, "Shared with:", sharedText(d.Sharing))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(d.Object.Versions) > 0 {
		if err := d.printVersions(out); err != nil {
			return err
		}
	}
	if d.Document != "" {
		fmt.Fprint(out, "\nDocument")
		if len(d.Object.Versions) > 0 {
			fmt.Fprintf(out, " of %s", d.Object.Versions[0].Version)
		}
		fmt.Fprintln(out, ":")
		printIndented(out, d.Document)
	}
	return nil
}

func (d *description) printVersions(out io.Writer) error {
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	line(w, "VERSION", "STATE", "ERRORS", "WARNINGS", "CHANGED")
	for _, v := range d.Object.Versions {
		line(w, v.Version, v.State, fmt.Sprint(v.Errors), fmt.Sprint(v.Warnings), v.UpdatedAt.Local().Format(time.DateTime))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, v := range d.Object.Versions {
		for _, p := range d.Problems[v.Version] {
			printIndented(out, fmt.Sprintf("%s: %s: %s", v.Version, p.Severity, problemText(p)))
		}
	}
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	line(w, "VERSION", "USED BY")
	for _, v := range d.Object.Versions {
		users := d.usersOf(v.Version)
		for _, u := range users {
			line(w, v.Version, userText(u))
		}
		if len(users) == 0 {
			line(w, v.Version, "nothing")
		}
	}
	return w.Flush()
}

func (d *description) usersOf(version string) []api.VersionUser {
	for _, v := range d.Users {
		if v.Version == version {
			return v.Users
		}
	}
	return nil
}

func userText(u api.VersionUser) string {
	what := strings.ReplaceAll(u.Kind, "_", " ")
	if u.Hidden {
		return what + " in a project that you may not see"
	}
	text := what + " " + u.Name
	if u.Version != "" {
		text += " " + u.Version
	}
	if u.Project != "" {
		text += " of " + u.Project
	}
	if u.Status != "" {
		text += ", " + u.Status
	}
	return text
}
