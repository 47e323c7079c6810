// Package lint checks documents as a server would that they are applied to, without one: it works on a database of its own
// that is gone afterwards. It tells every problem with its place in the files. It must not know the rules it applies: those
// are the services'.
package lint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// Severity tells an error, which a server would refuse, from a warning and from what is only good to know.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Problem is one thing that is wrong, and where. Line and Column are 0 where they are not known.
type Problem struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Kind     string   `json:"kind,omitempty"`
	Name     string   `json:"name,omitempty"`
	Field    string   `json:"field,omitempty"`
	Message  string   `json:"message"`
}

// Place is file:line:column as far as it is known.
func (p Problem) Place() string {
	out := p.File
	if p.Line > 0 {
		out += fmt.Sprintf(":%d", p.Line)
		if p.Column > 0 {
			out += fmt.Sprintf(":%d", p.Column)
		}
	}
	return out
}

// Report is what was found.
type Report struct {
	Files     int       `json:"files"`
	Documents int       `json:"documents"`
	Errors    int       `json:"errors"`
	Warnings  int       `json:"warnings"`
	Problems  []Problem `json:"problems"`
}

// Options change what is checked.
type Options struct {
	// Offline leaves out the tool and everything that is not on this machine.
	Offline bool
	// Toolchain says where the tool and providers are. None is built or downloaded.
	Toolchain tofu.Config
}

// home is the project that documents are checked in which name none.
const home = "default"

// Run checks the documents at paths. An error means that nothing could be found out.
func Run(ctx context.Context, paths []string, o Options) (_ *Report, err error) {
	set, err := Load(paths)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "berth-lint-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := app.DefaultConfig()
	cfg.DataDir, cfg.AllowLocalGit, cfg.Toolchain = filepath.Join(dir, "data"), true, o.Toolchain
	cfg.Toolchain.NoDownload, cfg.Toolchain.NoBuild = true, true
	bench, err := app.NewWorkbench(ctx, cfg, o.Offline)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bench.Close()) }()
	l := &linter{set: set, bench: bench, offline: o.Offline, found: set.Problems}
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	return l.report(), nil
}

type linter struct {
	set     *Set
	bench   *app.Workbench
	offline bool
	found   []Problem
}

func (l *linter) run(ctx context.Context) error {
	if err := l.projects(ctx); err != nil {
		return err
	}
	first, rest := l.divide()
	// What templates refer to is made in earnest, so that it is there for them.
	failed := map[string]bool{} // environment templates
	for _, step := range []struct {
		docs    []*manifest.Document
		options manifest.Options
	}{
		{first, manifest.Options{Files: l.set.Files}},
		{rest, manifest.Options{Files: l.set.Files, DryRun: true, Lenient: true}},
	} {
		results, err := l.bench.Apply(ctx, home, step.docs, step.options)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Kind == manifest.KindEnvironmentTemplate && slices.ContainsFunc(r.Problems, func(p template.Problem) bool { return p.Severity == bundle.Error }) {
				failed[r.Name] = true
			}
			l.result(step.docs, r, failed)
		}
	}
	return nil
}

// projects makes those that documents name and do not describe: they are the server's.
func (l *linter) projects(ctx context.Context) error {
	described := map[string]bool{}
	for _, d := range l.set.Of(manifest.KindProject) {
		described[d.Name] = true
	}
	names := []string{home}
	for _, d := range l.set.Docs {
		names = append(names, d.Project)
		names = append(names, sharedWith(d)...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "" || name == template.Everyone || described[name] {
			continue
		}
		// A name that no project can have is told where it is used.
		if err := l.bench.Project(ctx, name); err != nil && fault.KindOf(err) != fault.Invalid {
			return err
		}
	}
	return nil
}

func sharedWith(d *manifest.Document) []string {
	var sharing *manifest.Sharing
	switch s := d.Spec.(type) {
	case *manifest.ConfigContextSpec:
		sharing = s.Sharing
	case *manifest.StaticResourceSpec:
		sharing = s.Sharing
	case *manifest.ResourceTemplateSpec:
		sharing = s.Sharing
	case *manifest.EnvironmentTemplateSpec:
		sharing = s.Sharing
	}
	var out []string
	if sharing != nil {
		for _, p := range sharing.Projects {
			out = append(out, p.Name)
		}
	}
	return out
}

// divide leaves out what cannot be checked here, with a warning, and separates what templates refer to from them.
func (l *linter) divide() (first, rest []*manifest.Document) {
	readable := map[string]bool{} // repositories
	closed := map[string]bool{}
	for _, d := range l.set.Of(manifest.KindRepository) {
		s, _ := d.Spec.(*manifest.RepositorySpec)
		c := s.Credentials
		needs := c.Password == "" && c.PrivateKey == "" && (c.Type == "password" || c.Type == "ssh" || c.Username != "")
		readable[d.Name], closed[d.Name] = !needs, needs
	}
	unread := map[string]bool{} // resource templates
	for _, d := range l.set.Docs {
		switch s := d.Spec.(type) {
		case *manifest.ProjectSpec, *manifest.ConfigContextSpec, *manifest.StaticResourceSpec:
			first = append(first, d)
		case *manifest.RepositorySpec:
			if readable[d.Name] {
				first = append(first, d)
			}
		case *manifest.ResourceTemplateSpec:
			why := ""
			switch {
			case s.Source.Upload != "":
				why = "its code was uploaded to a server"
			case s.Source.Repository == "":
			case l.offline:
				why = "its code is in a repository, which is not read with --offline"
			case closed[s.Source.Repository]:
				why = fmt.Sprintf("repository %s needs credentials, which are not in the documents", s.Source.Repository)
			case !readable[s.Source.Repository]:
				why = fmt.Sprintf("repository %s is not among the documents", s.Source.Repository)
			}
			if why == "" {
				rest = append(rest, d)
				continue
			}
			unread[d.Name] = true
			l.unchecked(d, "spec.source", why)
		default:
			rest = append(rest, d)
		}
	}
	return first, l.withoutUsers(rest, unread)
}

// withoutUsers leaves out the environment templates that use code which was not read, and the environments made of them.
func (l *linter) withoutUsers(docs []*manifest.Document, unread map[string]bool) []*manifest.Document {
	skipped := map[string]bool{}
	docs = slices.DeleteFunc(docs, func(d *manifest.Document) bool {
		s, ok := d.Spec.(*manifest.EnvironmentTemplateSpec)
		if !ok {
			return false
		}
		for _, r := range s.Resources {
			if r.Template != "" && unread[r.Template] {
				skipped[d.Name] = true
				l.unchecked(d, "spec.resources", fmt.Sprintf("the code of resource template %s was not read", r.Template))
				return true
			}
		}
		return false
	})
	return slices.DeleteFunc(docs, func(d *manifest.Document) bool {
		s, ok := d.Spec.(*manifest.EnvironmentSpec)
		return ok && skipped[s.Template.Name]
	})
}

func (l *linter) unchecked(d *manifest.Document, field, why string) {
	l.at(d, Warning, field, "not checked: "+why)
}

// at notes a problem at a field of a document.
func (l *linter) at(d *manifest.Document, s Severity, field, message string) {
	line, col := d.Position(field)
	l.found = append(l.found, Problem{
		Severity: s, File: l.set.Shown(d.File), Line: line, Column: col, Kind: string(d.Kind), Name: d.Name, Field: field, Message: l.set.Plain(message),
	})
}

// result notes what a server would say of a document. failed are the environment templates with errors.
func (l *linter) result(docs []*manifest.Document, r manifest.Result, failed map[string]bool) {
	i := slices.IndexFunc(docs, func(d *manifest.Document) bool {
		return d.File == r.File && d.Line == r.Line && d.Kind == r.Kind && d.Name == r.Name && d.Version() == r.Version
	})
	if i < 0 {
		return
	}
	d := docs[i]
	if s, ok := d.Spec.(*manifest.EnvironmentSpec); ok && failed[s.Template.Name] {
		return // it would only be told again
	}
	for _, p := range r.Problems {
		if p.File != "" && d.Kind == manifest.KindEnvironmentTemplate {
			continue // told with the resource template
		}
		l.problem(d, p)
	}
	for _, w := range r.Warnings {
		l.at(d, Warning, "", w)
	}
	if r.Error == nil || errors.Is(r.Error, manifest.ErrNeeded) {
		return
	}
	if len(r.Error.Fields) == 0 {
		l.at(d, Error, "", strings.TrimPrefix(r.Error.Message, fmt.Sprintf("%s:%d: %s %s: ", d.File, d.Line, d.Kind, d.Name)))
	}
	for _, f := range r.Error.Fields {
		l.at(d, Error, f.Path, f.Message)
	}
}

// problem notes one in the template, or in the code it is made of.
func (l *linter) problem(d *manifest.Document, p template.Problem) {
	severity := Error
	if p.Severity == bundle.Warning {
		severity = Warning
	}
	if p.File == "" {
		l.at(d, severity, cmp.Or(p.Path, "spec.source"), p.Message)
		return
	}
	s, ok := d.Spec.(*manifest.ResourceTemplateSpec)
	if !ok || s.Source.Folder == "" {
		l.at(d, severity, "spec.source", fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message))
		return
	}
	l.found = append(l.found, Problem{
		Severity: severity, File: l.set.Shown(path.Join(path.Dir(d.File), s.Source.Folder, p.File)), Line: p.Line,
		Kind: string(d.Kind), Name: d.Name, Message: p.Message,
	})
}

// report puts the problems in the order of the files. The same of a module that two templates use is told once.
func (l *linter) report() *Report {
	out := &Report{Files: l.set.Count, Documents: len(l.set.Docs), Problems: []Problem{}}
	slices.SortStableFunc(l.found, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	told := map[Problem]bool{}
	for _, p := range l.found {
		same := p
		same.Kind, same.Name = "", ""
		if told[same] {
			continue
		}
		told[same] = true
		out.Problems = append(out.Problems, p)
		switch p.Severity {
		case Error:
			out.Errors++
		case Warning:
			out.Warnings++
		case Info:
		}
	}
	return out
}
