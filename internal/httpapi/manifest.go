package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
)

// Applying many documents at once takes more room, and more time to send, than other requests.
const (
	applyLimit = 16 << 20
	applyTime  = time.Minute
)

type applyInput struct {
	Project string `path:"project"`
	Body    api.Apply
}

func (s *server) apply(ctx context.Context, in *applyInput) (api.Applied, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Applied{}, err
	}
	return s.applyIn(ctx, id, in.Body)
}

type applyAnywhereInput struct{ Body api.Apply }

func (s *server) applyAnywhere(ctx context.Context, in *applyAnywhereInput) (api.Applied, error) {
	return s.applyIn(ctx, "", in.Body)
}

// applyIn reads all files before it applies the first document.
func (s *server) applyIn(ctx context.Context, projectID string, in api.Apply) (api.Applied, error) {
	out := api.Applied{Results: []api.ApplyResult{}, Notices: []api.DocumentNotice{}}
	if authz.From(ctx).Kind == authz.Anonymous {
		return out, authz.ErrUnauthenticated // whose files are not read at all
	}
	docs, notices, err := parseFiles(in.Documents)
	if err != nil {
		return out, err
	}
	for _, n := range notices {
		out.Notices = append(out.Notices, api.DocumentNotice{
			Severity: string(n.Severity), File: n.File, Line: n.Line, Kind: n.Kind, Name: n.Name, Field: n.Field, Message: n.Message,
		})
	}
	for _, d := range docs {
		if projectID == "" && d.Project == "" && d.Kind != manifest.KindProject {
			d.Project = in.Project
		}
	}
	results, err := s.Manifests.Apply(ctx, projectID, docs, manifest.Options{DryRun: in.DryRun, Folder: func(file, folder string) (manifest.Folder, bool) {
		digest, ok := in.Folders[file+"#"+folder]
		digest, path, _ := strings.Cut(digest, "/")
		return manifest.Folder{Upload: digest, Path: path}, ok
	}})
	for _, r := range results {
		out.Results = append(out.Results, s.wireResult(ctx, r))
	}
	return out, err
}

// parseFiles reads every file and tells what is wrong with all of them at once.
func parseFiles(files []api.DocumentFile) ([]*manifest.Document, []manifest.Notice, error) {
	var docs []*manifest.Document
	var notices []manifest.Notice
	wrong := *manifest.ErrBad
	var lines []string
	for _, f := range files {
		d, n, err := manifest.Parse(f.File, []byte(f.Text))
		docs, notices = append(docs, d...), append(notices, n...)
		if err == nil {
			continue
		}
		one, ok := fault.As(err)
		if !ok {
			return nil, nil, err
		}
		wrong.Fields, lines = append(wrong.Fields, one.Fields...), append(lines, one.Message)
	}
	if len(lines) == 0 {
		return docs, notices, nil
	}
	wrong.Message = strings.Join(lines, "\n")
	return nil, nil, &wrong
}

func (s *server) wireResult(ctx context.Context, r manifest.Result) api.ApplyResult {
	out := api.ApplyResult{
		Kind: string(r.Kind), Name: r.Name, Project: r.Project, Version: r.Version, File: r.File, Line: r.Line, Change: string(r.Change), Warnings: r.Warnings,
	}
	for _, d := range r.Diff {
		out.Diff = append(out.Diff, api.Difference{Path: d.Path, Before: d.Before, After: d.After})
	}
	out.Problems = wireProblems(r.Problems)
	if r.Error != nil {
		out.Change, out.Error = "failed", &s.problem(ctx, r.Error).apiError
	}
	return out
}

func wireProblems(list []template.Problem) []api.Problem {
	var out []api.Problem
	for _, p := range list {
		out = append(out, api.Problem{Severity: string(p.Severity), Message: p.Message, Path: p.Path, File: p.File, Line: p.Line})
	}
	return out
}

// InKind names a kind of object in a project.
type InKind struct {
	Project string `path:"project"`
	Kind    string `path:"kind" doc:"A kind of document, in any case and in the plural too, for example EnvironmentTemplate or environment-templates."`
}

// kind finds the project and the kind that a path names.
func (s *server) kind(ctx context.Context, in InKind) (projectID string, kind manifest.Kind, err error) {
	if projectID, err = s.projectID(ctx, in.Project); err != nil {
		return "", "", err
	}
	kind, ok := manifest.ParseKind(in.Kind)
	if !ok {
		return "", "", manifest.ErrMissing.With("There is no kind %q; use one of %s.", in.Kind, manifest.KindNames())
	}
	return projectID, kind, nil
}

func (s *server) listManifests(ctx context.Context, in *InKind) (api.Page[api.ManifestItem], error) {
	out := api.Page[api.ManifestItem]{Items: []api.ManifestItem{}}
	id, kind, err := s.kind(ctx, *in)
	if err != nil {
		return out, err
	}
	list, err := s.Manifests.List(ctx, id, kind)
	for _, i := range list {
		w := api.ManifestItem{
			Kind: string(i.Kind), Name: i.Name, Owner: i.Owner, Own: i.Own, Description: i.Description, Status: i.Status, Template: i.Template, UpdatedAt: i.Updated,
		}
		for _, v := range i.Versions {
			w.Versions = append(w.Versions, api.ManifestVersion{Version: v.Version, State: string(v.State), Errors: v.Errors, Warnings: v.Warnings, UpdatedAt: v.Updated})
		}
		out.Items = append(out.Items, w)
	}
	return out, err
}

// InManifest names an object.
type InManifest struct {
	InKind
	Name    string `path:"name"`
	Version string `query:"version" doc:"Version of a template."`
}

func (s *server) getManifest(ctx context.Context, in *InManifest) (api.Manifest, error) {
	id, kind, err := s.kind(ctx, in.InKind)
	if err != nil {
		return api.Manifest{}, err
	}
	m, err := s.Manifests.Export(ctx, id, kind, in.Name, in.Version)
	if err != nil {
		return api.Manifest{}, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return api.Manifest{}, fmt.Errorf("writing a document: %w", err)
	}
	return api.Manifest{Kind: string(m.Kind), Name: m.Metadata.Name, Version: m.Version(), Text: string(m.YAML()), Document: raw}, nil
}

func (s *server) deleteManifest(ctx context.Context, in *InManifest) (none, error) {
	id, kind, err := s.kind(ctx, in.InKind)
	if err != nil {
		return none{}, err
	}
	return none{}, s.Manifests.Delete(ctx, id, kind, in.Name, in.Version)
}

type inSchema struct {
	Kind string `path:"kind" doc:"A kind of document, or Manifest for files with any kinds."`
}

// schema answers editors, which do not sign in: it describes the format and holds nothing of anybody's.
func (s *server) schema(ctx context.Context, in *inSchema) (func(huma.Context), error) {
	name := in.Kind
	if k, ok := manifest.ParseKind(name); ok {
		name = string(k)
	}
	raw, ok := manifest.Schemas()[name]
	if !ok {
		return nil, manifest.ErrMissing.With("There is no kind %q; use one of %s.", in.Kind, manifest.SchemaNames())
	}
	return s.send(ctx, raw), nil
}
