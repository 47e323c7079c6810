package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template/bundle"
)

func newExportCommand() *cobra.Command {
	t := &target{}
	var all, portable bool
	var dir string
	cmd := &cobra.Command{
		Use:   "export KIND [NAME] | export --all",
		Short: "Print a project's own objects as documents, or write them into a folder",
		Long: "Print what a project owns as documents that berth apply takes; all versions of templates. With --dir, each object\n" +
			"becomes a file, and code that was uploaded is downloaded beside them, so that the folder is all there is to keep.\n" +
			"Sensitive values are left out; applied where they are stored already, they stay.",
		Example: "  berth export --all -p demo --dir infra\n  berth export rt vpc -p demo",
		Args:    cobra.RangeArgs(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usagef("Name a kind, or use --all.\nSee berth export --help.")
			}
			if t.output == "table" {
				t.output = "yaml"
			}
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			e := &exporter{client: client, project: t.project, dir: dir, form: t.output, portable: portable}
			list, err := e.objects(cmd.Context(), args)
			if err != nil {
				return err
			}
			return e.write(cmd, list)
		},
	}
	t.bind(cmd)
	cmd.PersistentFlags().Lookup("output").DefValue = "yaml"
	cmd.PersistentFlags().Lookup("output").Usage = "yaml or json"
	cmd.Flags().BoolVar(&all, "all", false, "everything that the project owns, and the project itself")
	cmd.Flags().StringVar(&dir, "dir", "", "write files into this folder")
	cmd.Flags().BoolVar(&portable, "portable", false, "leave the project out, so that -p of berth apply decides")
	cmd.ValidArgsFunction = t.completeObject
	return cmd
}

// exporter writes objects as documents.
type exporter struct {
	client             *api.Client
	project, dir, form string
	portable           bool // documents name no project
}

// exported is one object and its documents, the oldest version first.
type exported struct {
	kind manifest.Kind
	name string
	docs []*manifest.Document
}

func (e *exporter) objects(ctx context.Context, args []string) ([]exported, error) {
	kinds := manifest.Kinds()
	if len(args) > 0 {
		kind, err := parseKind(args[0])
		if err != nil {
			return nil, err
		}
		kinds = []manifest.Kind{kind}
	}
	var out []exported
	for _, kind := range kinds {
		list, err := e.client.Manifests(ctx, e.project, string(kind))
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(i api.ManifestItem) bool {
			return !i.Own || kind == manifest.KindProject && (e.portable && len(args) == 0 || len(args) < 2 && i.Name != e.project)
		})
		if len(args) == 2 {
			if list, err = onlyNamed(list, kind, args[1]); err != nil {
				return nil, err
			}
		}
		for _, i := range list {
			one, err := e.object(ctx, kind, i)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
	}
	return out, nil
}

func (e *exporter) object(ctx context.Context, kind manifest.Kind, i api.ManifestItem) (exported, error) {
	out := exported{kind: kind, name: i.Name}
	versions := []string{""}
	if len(i.Versions) > 0 {
		versions = nil
		for _, v := range slices.Backward(i.Versions) {
			versions = append(versions, v.Version)
		}
	}
	for _, v := range versions {
		m, err := e.client.Manifest(ctx, e.project, string(kind), i.Name, v)
		if err != nil {
			return out, err
		}
		docs, _, err := manifest.Parse(object(string(kind), i.Name), []byte(m.Text))
		if err != nil {
			return out, fmt.Errorf("reading the document of %s: %w", object(string(kind), i.Name), err)
		}
		for _, d := range docs {
			if e.portable {
				d.Metadata.Project = ""
			}
			out.docs = append(out.docs, d)
		}
	}
	return out, nil
}

func (e *exporter) write(cmd *cobra.Command, list []exported) error {
	if e.dir == "" {
		var docs []*manifest.Document
		for _, x := range list {
			docs = append(docs, x.docs...)
		}
		text, err := e.text(docs)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	for _, x := range list {
		for _, d := range x.docs {
			if err := e.download(cmd.Context(), d); err != nil {
				return err
			}
		}
		text, err := e.text(x.docs)
		if err != nil {
			return err
		}
		name := filepath.Join(e.dir, strings.ToLower(string(x.kind))+"-"+x.name+"."+e.form)
		if err := writeFile(name, text); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), name)
	}
	return nil
}

func writeFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return usagef("Writing %s: %s", name, err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return usagef("Writing %s: %s", name, err)
	}
	return nil
}

// text writes documents into one file.
func (e *exporter) text(docs []*manifest.Document) ([]byte, error) {
	var out bytes.Buffer
	if e.form == "json" {
		list := []manifest.Manifest{}
		for _, d := range docs {
			list = append(list, d.Manifest())
		}
		var err error
		if len(list) == 1 {
			err = printJSON(&out, list[0])
		} else {
			for _, m := range list {
				err = errors.Join(err, json.NewEncoder(&out).Encode(m))
			}
		}
		return out.Bytes(), err
	}
	for i, d := range docs {
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(d.Manifest().YAML())
	}
	return out.Bytes(), nil
}

// exportedCode is where code that was uploaded goes.
const exportedCode = "code"

// download writes the code that was uploaded for a version, and makes its document name the folder.
func (e *exporter) download(ctx context.Context, d *manifest.Document) error {
	spec, ok := d.Spec.(*manifest.ResourceTemplateSpec)
	if !ok || spec.Source.Upload == "" {
		return nil
	}
	folder := path.Join(exportedCode, d.Name+"-"+d.Version())
	mark := filepath.Join(e.dir, exportedCode, ignoreFile)
	if err := writeFile(mark, []byte("Code of resource templates, which the documents beside this folder name. No documents are looked for here.\n")); err != nil {
		return err
	}
	to := filepath.Join(e.dir, filepath.FromSlash(folder))
	if err := os.RemoveAll(to); err != nil {
		return usagef("Writing %s: %s", to, err)
	}
	if err := e.unpack(ctx, d.Name, d.Version(), to); err != nil {
		return err
	}
	spec.Source = manifest.SourceSpec{Folder: path.Join(folder, spec.Source.Path)}
	return nil
}

func (e *exporter) unpack(ctx context.Context, name, version, to string) error {
	body, err := e.client.DownloadSource(ctx, e.project, name, version)
	if err != nil {
		return err
	}
	fsys, closer, err := bundle.OpenArchive(ctx, body, bundle.DefaultLimits())
	if err := errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("downloading the code of %s %s: %w", name, version, err)
	}
	return errors.Join(copyFiles(fsys, to), closer.Close())
}

func copyFiles(fsys fs.FS, to string) error {
	err := fs.WalkDir(fsys, ".", func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name := filepath.Join(to, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		return os.WriteFile(name, text, info.Mode().Perm())
	})
	if err != nil {
		return fmt.Errorf("writing code: %w", err)
	}
	return nil
}
