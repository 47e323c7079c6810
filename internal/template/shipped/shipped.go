// Package shipped publishes templates from folders: each holds a template.yaml
// with documents of apiVersion berth.dev/v1 and the modules they name. It uses
// the template service as anybody does, as the subject of the context, and
// publishing the same folders again changes nothing.
//
// It must not know which templates there are.
package shipped

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

// FileName is the name of the file with a folder's documents.
const FileName = "template.yaml"

// Result is what became of one document.
type Result struct {
	Kind     string
	Name     string
	Version  string
	Change   template.Change
	Problems []template.Problem
}

// Publish publishes the templates of every folder of fsys that holds a
// template.yaml, in a project or, with an empty projectID, in the organisation.
// A document that cannot be published does not stop the others; the error joins
// what went wrong. A document may follow those it uses in the same file.
func Publish(ctx context.Context, svc *template.Service, projectID string, fsys fs.FS) ([]Result, error) {
	files, err := fs.Glob(fsys, "*/"+FileName)
	if err != nil {
		return nil, fmt.Errorf("looking for templates: %w", err)
	}
	if _, err := fs.Stat(fsys, FileName); err == nil {
		files = append(files, FileName)
	}
	p := &publisher{svc: svc, projectID: projectID, fsys: fsys}
	var problems []error
	for _, file := range files {
		problems = append(problems, p.file(ctx, file))
		if ctx.Err() != nil {
			return p.results, ctx.Err()
		}
	}
	return p.results, errors.Join(problems...)
}

type publisher struct {
	svc       *template.Service
	projectID string
	fsys      fs.FS
	results   []Result
}

func (p *publisher) file(ctx context.Context, file string) error {
	docs, err := parse(p.fsys, file)
	if err != nil {
		return err
	}
	var problems []error
	for _, d := range docs {
		var err error
		if d.resource != nil {
			err = p.resource(ctx, file, d.resource)
		} else {
			err = p.environment(ctx, file, d.environment)
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (p *publisher) resource(ctx context.Context, file string, d *ResourceTemplate) error {
	wrap := func(err error) error { return place(err, file, d.Kind, d.Metadata.Name) }
	dir, err := d.folder(file)
	if err != nil {
		return wrap(err)
	}
	// The source is the folder of the file, so that modules may share others in it.
	source, err := fs.Sub(p.fsys, path.Dir(file))
	if err != nil {
		return wrap(err)
	}
	inside := d.Spec.Source.Folder
	if path.Dir(file) == "." {
		inside = dir
	}
	b, err := p.svc.AddBundle(ctx, p.projectID, source, inside)
	if err != nil {
		return wrap(err)
	}
	spec := d.spec()
	spec.Bundle = template.BundleRef{Digest: b.Digest, Dir: b.Dir}
	v, change, err := p.svc.SaveResource(ctx, p.saveInput(d.Metadata, d.Spec.Version, d.Spec.VersionState), spec)
	if err != nil {
		return wrap(err)
	}
	with, err := d.Spec.Sharing.projects()
	if err == nil && with != nil {
		err = p.svc.ShareResource(ctx, p.projectID, d.Metadata.Name, with)
	}
	p.results = append(p.results, Result{Kind: d.Kind, Name: v.Template, Version: v.Version, Change: change, Problems: v.Problems})
	return wrap(err)
}

func (p *publisher) environment(ctx context.Context, file string, d *EnvironmentTemplate) error {
	wrap := func(err error) error { return place(err, file, d.Kind, d.Metadata.Name) }
	v, change, err := p.svc.SaveEnvironment(ctx, p.saveInput(d.Metadata, d.Spec.Version, d.Spec.VersionState), d.spec())
	if err != nil {
		return wrap(err)
	}
	with, err := d.Spec.Sharing.projects()
	if err == nil && with != nil {
		err = p.svc.ShareEnvironment(ctx, p.projectID, d.Metadata.Name, with)
	}
	p.results = append(p.results, Result{Kind: d.Kind, Name: v.Template, Version: v.Version, Change: change, Problems: v.Problems})
	return wrap(err)
}

func (p *publisher) saveInput(m Metadata, version string, state template.State) template.SaveInput {
	return template.SaveInput{
		ProjectID: p.projectID, Name: m.Name, DisplayName: m.DisplayName, Description: m.Description, Version: version, State: state,
	}
}

// projects are the shares to set; nil leaves what is there.
func (s Sharing) projects() ([]string, error) {
	if !s.Enabled {
		return nil, nil
	}
	for _, p := range s.Projects {
		if p.Name != template.Everyone {
			return nil, fault.InvalidField("spec.sharing.projects", fmt.Sprintf("%q cannot be shared with from a folder; share with all (\"*\") here, or with single projects in Berth", p.Name))
		}
	}
	return []string{template.Everyone}, nil
}

// place says which document an error belongs to.
func place(err error, file, kind, name string) error {
	if err == nil {
		return nil
	}
	if f, ok := fault.As(err); ok {
		c := *f
		c.Message = fmt.Sprintf("%s: %s %s: %s", file, kind, name, f.Message)
		return &c
	}
	return fmt.Errorf("%s: %s %s: %w", file, kind, name, err)
}
