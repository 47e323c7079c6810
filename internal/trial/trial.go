// Package trial tries templates: it starts a server of its own with a sandbox instead of a cloud, makes environments of
// their documents, checks them, destroys them, and proves that nothing is left. It works through the API as a client does.
// It must not know the rules of the product, or which templates exist.
package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/lint"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// Options say what is tried and how.
type Options struct {
	// Template and Version choose; all of the documents are tried when empty.
	Template, Version string
	// Inputs are given to every case, over its own.
	Inputs map[string]any
	// Toolchain is where the tool comes from; it must be ready.
	Toolchain tofu.Config
	// Say prints what happens.
	Say func(format string, args ...any)
	// Keep, when set, is called with a case that failed, before its environment is destroyed.
	Keep func(ctx context.Context, url, email, password string)
}

// Result is what became of one case.
type Result struct {
	Template string   `json:"template"`
	Version  string   `json:"version"`
	Name     string   `json:"name"`
	Passed   bool     `json:"passed"`
	Seconds  float64  `json:"seconds"`
	Failures []string `json:"failures,omitempty"`
	Log      string   `json:"log,omitempty"` // the end of it, of a step that failed
}

// Report is what became of all cases.
type Report struct {
	Cases  []Result `json:"cases"`
	Failed int      `json:"failed"`
}

// Set is the documents and cases to try.
type Set struct {
	docs  []*manifest.Document
	files *lint.Set
	cases []Case
}

var errNothing = fault.New(fault.Invalid, "nothing_to_test", "There is no environment template to test.")

// Load reads the documents at paths and the cases beside them.
func Load(paths []string, o Options) (*Set, error) {
	files, err := lint.Load(paths)
	if err != nil {
		return nil, err
	}
	for _, p := range files.Problems {
		if p.Severity == lint.Error {
			return nil, errNothing.With("%s: %s\nberth template lint tells everything that is wrong.", p.Place(), p.Message)
		}
	}
	s := &Set{docs: prepared(files.Docs), files: files}
	beside := map[string]int{} // environment templates in a folder
	for _, d := range files.Of(manifest.KindEnvironmentTemplate) {
		beside[filepath.Dir(d.File)]++
	}
	for _, d := range files.Of(manifest.KindEnvironmentTemplate) {
		if o.Template != "" && o.Template != d.Name || o.Version != "" && o.Version != d.Version() {
			continue
		}
		dir := filepath.Dir(d.File)
		all, err := readCases("/" + dir)
		if err != nil {
			return nil, err
		}
		found := false
		for _, c := range all {
			if c.Template == "" && beside[dir] > 1 && !sameTemplate(files, dir, d.Name) {
				return nil, errCases.With("/%s: case %q must name its template: there are several in the folder", filepath.Join(dir, manifest.TestFile), c.Name)
			}
			if c.Template != "" && c.Template != d.Name || c.Version != "" && c.Version != d.Version() {
				continue
			}
			c.Template, c.Version, found = d.Name, d.Version(), true
			s.cases = append(s.cases, c)
		}
		if !found {
			s.cases = append(s.cases, Case{Name: "defaults", Template: d.Name, Version: d.Version()})
		}
	}
	if len(s.cases) == 0 {
		return nil, errNothing
	}
	return s, nil
}

// sameTemplate reports whether all environment templates of a folder are versions of one.
func sameTemplate(files *lint.Set, dir, name string) bool {
	return !slices.ContainsFunc(files.Of(manifest.KindEnvironmentTemplate), func(d *manifest.Document) bool {
		return filepath.Dir(d.File) == dir && d.Name != name
	})
}

// prepared makes the documents ones of a single project that shares with nobody, with every version active.
func prepared(docs []*manifest.Document) []*manifest.Document {
	var out []*manifest.Document
	for _, d := range docs {
		d.Project, d.Metadata.Project = "", ""
		switch s := d.Spec.(type) {
		case *manifest.ProjectSpec, *manifest.EnvironmentSpec:
			continue
		case *manifest.ConfigContextSpec:
			s.Sharing = nil
		case *manifest.StaticResourceSpec:
			s.Sharing = nil
		case *manifest.ResourceTemplateSpec:
			s.Sharing, s.VersionState = nil, template.Active
		case *manifest.EnvironmentTemplateSpec:
			s.Sharing, s.VersionState = nil, template.Active
		}
		out = append(out, d)
	}
	return out
}

// NeedsProviders reports whether the code may need a provider that is no part of the tool.
func (s *Set) NeedsProviders(ctx context.Context) bool {
	return slices.ContainsFunc(s.docs, func(d *manifest.Document) bool {
		r, ok := d.Spec.(*manifest.ResourceTemplateSpec)
		if !ok {
			return false
		}
		if r.Source.Folder == "" {
			return true
		}
		dir, closer, err := bundle.OpenDir("/" + filepath.Dir(d.File))
		if err != nil {
			return true
		}
		defer closer.Close()
		b, err := bundle.Pack(ctx, dir, r.Source.Folder, bundle.DefaultLimits())
		if err != nil {
			return true
		}
		external := slices.ContainsFunc(b.Module.Providers, func(p bundle.Provider) bool { return !strings.HasPrefix(p.Source, "terraform.io/builtin/") })
		return external || len(b.Module.Calls) > 0 ||
			slices.ContainsFunc(b.Module.ResourceTypes, func(t string) bool { return !strings.HasPrefix(t, "terraform_") })
	})
}

// contexts are the names of those that templates use.
func (s *Set) contexts() []string {
	var out []string
	for _, d := range s.docs {
		var refs []manifest.Ref
		switch spec := d.Spec.(type) {
		case *manifest.ResourceTemplateSpec:
			refs = spec.Contexts
		case *manifest.EnvironmentTemplateSpec:
			refs = spec.Contexts
		}
		for _, r := range refs {
			out = append(out, r.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Run tries every case. The report tells which failed; an error means that they could not be tried.
func (s *Set) Run(ctx context.Context, o Options) (_ *Report, err error) {
	w, err := start(ctx, s, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	report := &Report{Cases: []Result{}}
	if err := w.publish(ctx, s); err != nil {
		return report, err
	}
	for i, c := range s.cases {
		o.Say("case %s (%s %s)", c.Name, c.Template, c.Version)
		begun := time.Now()
		t := &attempt{world: w, Case: c, environment: fmt.Sprintf("case-%d", i+1)}
		err := t.run(ctx)
		r := Result{Template: c.Template, Version: c.Version, Name: c.Name, Passed: err == nil && len(t.failures) == 0, Failures: t.failures, Log: t.log}
		r.Seconds = time.Since(begun).Round(10 * time.Millisecond).Seconds()
		report.Cases = append(report.Cases, r)
		if !r.Passed {
			report.Failed++
		}
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// describe makes an error of the API or of a fault one text with its fields.
func describe(err error) string {
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused.Error()
	}
	if f, ok := fault.As(err); ok {
		return cmp.Or(f.Message, err.Error())
	}
	return err.Error()
}
