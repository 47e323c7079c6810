package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
)

// applyOptions are the flags of apply.
type applyOptions struct {
	files        []string
	dryRun       bool
	deploy, wait bool
}

func newApplyCommand() *cobra.Command {
	t := &target{}
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE|FOLDER|-",
		Short: "Make projects, repositories, contexts, templates and environments what files say",
		Long: "Make objects what documents say they are: YAML or JSON, one document or many in a file, in any order. Of a folder,\n" +
			"all files *.yaml, *.yml and *.json are read, but for those beside code (*.tf) and in folders with a file .berthignore.\n" +
			"The code of a local source.folder is uploaded, with the modules it calls by local paths. Applying again changes\n" +
			"nothing. A document that is refused does not stop the others; the command then ends with code 2.",
		Example: "  berth apply -f infra/ -p demo --dry-run\n" +
			"  berth apply -f infra/ -f environment.yaml -p demo --deploy --wait",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return apply(cmd, t, o) },
	}
	t.bind(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&o.files, "file", "f", nil, "file or folder with documents, - for standard input; may be repeated")
	f.BoolVar(&o.dryRun, "dry-run", false, "check, show what would change, and change nothing")
	f.BoolVar(&o.deploy, "deploy", false, "deploy the environments that changed, and those never deployed")
	f.BoolVar(&o.wait, "wait", false, "with --deploy: wait until they are deployed")
	return cmd
}

func apply(cmd *cobra.Command, t *target, o applyOptions) error {
	if o.wait && !o.deploy || o.deploy && o.dryRun {
		return usagef("--wait goes with --deploy, and --deploy does not go with --dry-run.")
	}
	read, err := readFiles(cmd, o.files)
	if err != nil {
		return err
	}
	if err := t.documentsProject(cmd, read.docs); err != nil {
		return err
	}
	client, err := t.anyClient(cmd)
	if err != nil {
		return err
	}
	out, err := applyFiles(cmd.Context(), client, cmd.ErrOrStderr(), t.project, read, o.dryRun)
	if err != nil {
		return err
	}
	if err := t.print(cmd, out, func(w io.Writer) { printApplied(w, out, o.dryRun) }); err != nil {
		return err
	}
	if o.deploy {
		err = deployApplied(cmd, client, t, out.Results, o.wait)
	}
	return cmp.Or(err, refusedDocuments(out.Results))
}

// documentsProject finds the project of documents that name none; it may be missing when all do.
func (t *target) documentsProject(cmd *cobra.Command, docs []*manifest.Document) error {
	if t.project = cmp.Or(t.project, environ(cmd, "BERTH_PROJECT")); t.project != "" {
		return nil
	}
	for _, d := range docs {
		if d.Kind != manifest.KindProject && d.Project == "" {
			return usagef("%s:%d: %s %s names no project: write metadata.project, use -p, or set BERTH_PROJECT.", d.File, d.Line, d.Kind, d.Name)
		}
	}
	return nil
}

// applyFiles makes projects first: the code of the others is uploaded to them.
func applyFiles(ctx context.Context, client *api.Client, say io.Writer, project string, read *files, dryRun bool) (api.Applied, error) {
	made, err := applyProjects(ctx, client, read.docs, dryRun)
	if err != nil {
		return api.Applied{}, err
	}
	send := &sources{client: client, say: say}
	if err := send.send(ctx, read.docs, project); err != nil {
		return api.Applied{}, err
	}
	in := api.Apply{Documents: read.texts, DryRun: dryRun, Folders: send.folders}
	if describesProject(read.docs, project) { // which in a dry run does not exist yet
		in.Project, project = project, ""
	}
	out, err := client.Apply(ctx, project, in)
	if err != nil {
		return out, err
	}
	for i := range out.Results {
		r := &out.Results[i]
		if before, ok := made[r.Name]; ok && r.Kind == string(manifest.KindProject) && r.Error == nil {
			r.Change, r.Diff = before.Change, before.Diff
		}
		if cause := send.failed[place{r.File, r.Line}]; cause != nil && r.Error != nil {
			e := *r.Error
			e.Detail, e.Fields = fmt.Sprintf("%s:%d: %s %s: %s", r.File, r.Line, r.Kind, r.Name, cause), nil
			r.Error = &e
		}
	}
	return out, nil
}

func describesProject(docs []*manifest.Document, name string) bool {
	return slices.ContainsFunc(docs, func(d *manifest.Document) bool { return d.Kind == manifest.KindProject && d.Name == name })
}

func applyProjects(ctx context.Context, client *api.Client, docs []*manifest.Document, dryRun bool) (map[string]api.ApplyResult, error) {
	made := map[string]api.ApplyResult{}
	var texts []api.DocumentFile
	for _, d := range docs {
		if d.Kind == manifest.KindProject {
			texts = append(texts, api.DocumentFile{File: d.File, Text: string(d.Manifest().YAML())})
		}
	}
	if len(texts) == 0 || dryRun {
		return made, nil
	}
	out, err := client.Apply(ctx, "", api.Apply{Documents: texts})
	for _, r := range out.Results {
		if r.Error == nil {
			made[r.Name] = r
		}
	}
	return made, err
}

// refusedDocuments says which documents were refused.
func refusedDocuments(results []api.ApplyResult) error {
	var names []string
	for _, r := range results {
		if r.Error != nil {
			names = append(names, strings.TrimSpace(object(r.Kind, r.Name)+" "+r.Version))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return usagef("%d of %s refused: %s", len(names), count(len(results), "document"), strings.Join(names, ", "))
}

func printApplied(w io.Writer, out api.Applied, dryRun bool) {
	for _, r := range out.Results {
		text := object(r.Kind, r.Name)
		if r.Version != "" {
			text += " " + r.Version
		}
		text += " " + r.Change
		if dryRun && r.Error == nil {
			text += " (dry run)"
		}
		fmt.Fprintln(w, text)
		if r.Error != nil {
			printIndented(w, r.Error.Detail)
		}
		for _, p := range r.Problems {
			printIndented(w, fmt.Sprintf("%s:%d: %s: %s", r.File, r.Line, p.Severity, problemText(p)))
		}
		for _, warning := range r.Warnings {
			printIndented(w, fmt.Sprintf("%s:%d: warning: %s", r.File, r.Line, warning))
		}
		if dryRun {
			printDifferences(w, r)
		}
	}
	for _, n := range out.Notices {
		text := fmt.Sprintf("%s:%d: %s: ", n.File, n.Line, n.Severity)
		if what := strings.TrimSpace(n.Kind + " " + n.Name); what != "" {
			text += what + ": "
		}
		if n.Field != "" {
			text += n.Field + ": "
		}
		fmt.Fprintln(w, text+n.Message)
	}
}

func problemText(p api.Problem) string {
	text := p.Message
	if p.Path != "" && !strings.HasPrefix(text, p.Path) {
		text = p.Path + ": " + text
	}
	if p.File != "" {
		text += fmt.Sprintf(" (%s:%d)", p.File, p.Line)
	}
	return text
}

func printIndented(w io.Writer, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(w, "  "+line)
	}
}

// printDifferences shows the fields of an object that would change. What is new has no fields to compare.
func printDifferences(w io.Writer, r api.ApplyResult) {
	if r.Change != string(manifest.Configured) {
		return
	}
	for _, d := range r.Diff {
		printIndented(w, fmt.Sprintf("%s: %s -> %s", d.Path, shown(d.Before), shown(d.After)))
	}
}

// shown is a value on one line.
func shown(text string) string {
	if text == "" {
		return "(none)"
	}
	if strings.Contains(text, "\n") || len(text) > 200 {
		return fmt.Sprintf("(%s)", count(strings.Count(strings.TrimRight(text, "\n"), "\n")+1, "line"))
	}
	return text
}
