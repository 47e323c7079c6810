package manifest

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

// The kinds of object in the audit log.
const (
	resourceObject    = "resource_template"
	environmentObject = "environment_template"
)

// head is the metadata of a template.
func head(h *template.Head, name, projectName string) Metadata {
	m := Metadata{Name: name, Project: projectName, DisplayName: h.DisplayName, Description: h.Description, Labels: textMap(h.Labels), Annotations: textMap(h.Annotations)}
	if m.DisplayName == name {
		m.DisplayName = ""
	}
	return m
}

func (a *applier) resourceTemplate(ctx context.Context, j *job, s *ResourceTemplateSpec) error {
	spec, _ := normal(s).(*ResourceTemplateSpec)
	if j.unborn {
		j.unbornProject()
		return nil
	}
	h, v, err := a.Templates.ResourceHead(ctx, j.projectID, j.Name, string(s.Version))
	if err != nil {
		return err
	}
	bundle, err := a.source(ctx, j, spec, v)
	if err != nil {
		return err
	}
	want := Manifest{Metadata: j.Metadata, Spec: spec}
	var have *Manifest
	var shares []string
	if h != nil {
		shares = h.SharedWith
		want.Metadata = keepMeta(want.Metadata, head(h, j.Name, ""))
	}
	spec.Sharing = a.wantSharing(s.Sharing, shares)
	if v != nil {
		old := resourceSpec(v)
		old.Sharing = a.known.sharing(shares)
		if spec.Source.Repository != "" && spec.Source.Commit == "" {
			spec.Source.Commit = old.Source.Commit
		}
		keepSecrets(spec.Variables, old.Variables)
		spec.VersionState = stateOf(s.VersionState, v.State)
		have = &Manifest{Metadata: head(h, j.Name, ""), Spec: old}
		j.result.Problems = v.Problems
	} else {
		spec.VersionState = stateOf(s.VersionState, template.Draft)
	}
	j.compare(have, want)
	domain := spec.domain()
	domain.Bundle = bundle
	if s.Source.Commit == "" && (v == nil || v.State == template.Draft) {
		domain.Source.Commit = "" // what the branch holds now
	}
	if err := a.saveResource(ctx, j, want, domain, v); err != nil {
		return err
	}
	return a.shared(ctx, j, s.Sharing, shares, resourceObject, a.Templates.ShareResource)
}

func (a *applier) wantSharing(want *Sharing, have []string) *Sharing {
	if want == nil {
		return a.known.sharing(have)
	}
	return want.normal()
}

func stateOf(given, standard template.State) template.State {
	if given != "" {
		return given
	}
	return standard
}

// keepSecrets gives sensitive variables without a value the one they have.
func keepSecrets(want, have []VariableSpec) {
	for i := range want {
		if v := &want[i]; v.Options.Sensitive && v.Value == nil {
			if j := slices.IndexFunc(have, func(h VariableSpec) bool { return h.Name == v.Name && h.Options.Sensitive }); j >= 0 {
				v.Value = have[j].Value
				if v.ValueType == "" {
					v.ValueType = have[j].ValueType
				}
			}
		}
	}
}

func (j *job) saveInput(m Metadata, state template.State) template.SaveInput {
	return template.SaveInput{
		ProjectID: j.projectID, Name: j.Name, DisplayName: m.DisplayName, Description: m.Description, Version: j.Version(), State: state,
		Labels: stringMap(j.Metadata.Labels), Annotations: stringMap(j.Metadata.Annotations),
	}
}

// step says what has to be done to a version: save it, move it to another state, or nothing.
func (j *job) step(state, had template.State, exists bool) (save, move bool) {
	changed := j.result.Change != Unchanged && !allWithin(j.result.Diff, "spec.sharing")
	if !exists {
		return true, state == template.Disabled
	}
	if !changed {
		return false, false
	}
	if had == template.Draft {
		return true, state == template.Disabled
	}
	onlyState := allWithin(j.result.Diff, "spec.sharing", "spec.versionState")
	return !onlyState, onlyState || state != had
}

func (a *applier) saveResource(ctx context.Context, j *job, want Manifest, spec template.ResourceSpec, v *template.ResourceVersion) error {
	wanted, _ := want.Spec.(*ResourceTemplateSpec)
	had := template.Draft
	if v != nil {
		had = v.State
	}
	save, move := j.step(wanted.VersionState, had, v != nil)
	// A draft is what its branch holds now.
	reread := v != nil && had == template.Draft && spec.Source.Repository != "" && spec.Source.Commit == ""
	in := j.saveInput(want.Metadata, saveState(wanted.VersionState, had))
	if a.options.DryRun {
		if !save && !reread {
			return nil
		}
		preview, err := a.Templates.PreviewResource(ctx, in, spec)
		if err != nil {
			return err
		}
		a.previews = append(a.previews, preview)
		j.result.Problems = preview.Problems
		j.commit(v, preview)
		return nil
	}
	if save || reread {
		saved, change, err := a.Templates.SaveResource(ctx, in, spec)
		if err != nil {
			return err
		}
		j.result.Problems = saved.Problems
		j.commit(v, saved)
		if change == template.Updated && j.result.Change == Unchanged {
			j.result.Change = Configured
		}
	}
	if move {
		return a.Templates.SetResourceState(ctx, j.projectID, j.Name, j.Version(), wanted.VersionState)
	}
	return nil
}

// commit notes that the code is of another commit than before.
func (j *job) commit(before, after *template.ResourceVersion) {
	if before == nil || after.Spec.Source.Commit == before.Spec.Source.Commit {
		return
	}
	if !slices.ContainsFunc(j.result.Diff, func(d Difference) bool { return d.Path == "spec.source.commit" }) {
		j.result.Diff = append(j.result.Diff, Difference{"spec.source.commit", before.Spec.Source.Commit, after.Spec.Source.Commit})
	}
	j.decide()
}

// saveState is the state in which a version is saved: one that goes on to be disabled is active first.
func saveState(want, had template.State) template.State {
	if want == template.Disabled {
		if had == template.Draft {
			return template.Active
		}
		return had
	}
	return want
}

// source finds the code of a folder, and returns the bundle where it was packed here.
func (a *applier) source(ctx context.Context, j *job, s *ResourceTemplateSpec, v *template.ResourceVersion) (template.BundleRef, error) {
	name := s.Source.Folder
	if name == "" {
		if s.Source.Upload != "" && v != nil && v.Spec.Source.Empty() && v.Spec.Bundle.Digest == s.Source.Upload {
			return v.Spec.Bundle, nil
		}
		return template.BundleRef{}, nil
	}
	if a.options.Folder != nil {
		if f, ok := a.options.Folder(j.File, name); ok {
			s.Source = SourceSpec{Upload: f.Upload, Path: folder(f.Path)}
			return template.BundleRef{}, nil
		}
	}
	if a.options.Files == nil {
		return template.BundleRef{}, fault.InvalidField("spec.source.folder", fmt.Sprintf("the folder %q was not uploaded; berth apply does that, or name a repository", name))
	}
	// The source is the folder of the file, so that modules may share others in it.
	if p := path.Join(path.Dir(j.File), name); !fs.ValidPath(p) || path.IsAbs(name) {
		return template.BundleRef{}, fault.InvalidField("spec.source.folder", fmt.Sprintf("%q leads out of the source", name))
	}
	files, err := fs.Sub(a.options.Files, path.Dir(j.File))
	if err != nil {
		return template.BundleRef{}, fmt.Errorf("opening the folder of %s: %w", j.File, err)
	}
	b, err := a.Templates.AddBundle(ctx, j.projectID, files, path.Clean(name))
	if err != nil {
		return template.BundleRef{}, err
	}
	s.Source = SourceSpec{Upload: b.Digest, Path: folder(b.Dir)}
	return template.BundleRef{Digest: b.Digest, Dir: b.Dir}, nil
}

func (a *applier) environmentTemplate(ctx context.Context, j *job, s *EnvironmentTemplateSpec) error {
	if j.unborn {
		j.unbornProject()
		return nil
	}
	spec, _ := normal(s).(*EnvironmentTemplateSpec)
	h, v, err := a.Templates.EnvironmentHead(ctx, j.projectID, j.Name, string(s.Version))
	if err != nil {
		return err
	}
	want := Manifest{Metadata: j.Metadata, Spec: spec}
	var have *Manifest
	var shares []string
	if h != nil {
		shares = h.SharedWith
		want.Metadata = keepMeta(want.Metadata, head(h, j.Name, ""))
	}
	spec.Sharing = a.wantSharing(s.Sharing, shares)
	had := template.Draft
	if v != nil {
		had = v.State
		old := environmentTemplateSpec(v)
		old.Sharing = a.known.sharing(shares)
		keepSecrets(spec.Variables, old.Variables)
		have = &Manifest{Metadata: head(h, j.Name, ""), Spec: old}
		j.result.Problems = v.Problems
	}
	spec.VersionState = stateOf(s.VersionState, had)
	j.compare(have, want)
	if err := a.saveEnvironmentTemplate(ctx, j, want, spec, v, had); err != nil {
		return err
	}
	return a.shared(ctx, j, s.Sharing, shares, environmentObject, a.Templates.ShareEnvironment)
}

func (a *applier) saveEnvironmentTemplate(ctx context.Context, j *job, want Manifest, spec *EnvironmentTemplateSpec, v *template.EnvironmentVersion, had template.State) error {
	save, move := j.step(spec.VersionState, had, v != nil)
	// A draft is checked again when what it uses has changed.
	again := v != nil && had == template.Draft && (len(v.Problems) > 0 || a.usesChanged(j, spec))
	if !save && !move && !again {
		return nil
	}
	in := j.saveInput(want.Metadata, saveState(spec.VersionState, had))
	if a.options.DryRun {
		if !save && !again {
			return nil
		}
		c, err := a.Templates.PreviewEnvironment(ctx, in, spec.domain(), a.previews)
		if err != nil {
			return err
		}
		j.result.Problems = c.Problems()
		a.compiled[key{kind: KindEnvironmentTemplate, project: j.result.Project, name: j.Name, version: j.Version()}] = c
		return nil
	}
	if save || again {
		saved, _, err := a.Templates.SaveEnvironment(ctx, in, spec.domain())
		if err != nil {
			return err
		}
		j.result.Problems = saved.Problems
	}
	if move {
		return a.Templates.SetEnvironmentState(ctx, j.projectID, j.Name, j.Version(), spec.VersionState)
	}
	return nil
}

// usesChanged reports whether a resource template of the graph was changed by this apply.
func (a *applier) usesChanged(j *job, s *EnvironmentTemplateSpec) bool {
	for k, o := range a.state {
		if k.kind != KindResourceTemplate || k.project != j.result.Project || o.change == Unchanged || o.change == "" {
			continue
		}
		if slices.ContainsFunc(s.Resources, func(r ResourceNode) bool { return r.Template == k.name }) {
			return true
		}
	}
	return false
}

// allWithin reports whether all differences are at or below the paths.
func allWithin(list []Difference, paths ...string) bool {
	return !slices.ContainsFunc(list, func(d Difference) bool {
		return !slices.ContainsFunc(paths, func(p string) bool {
			rest, ok := strings.CutPrefix(d.Path, p)
			return ok && (rest == "" || rest[0] == '.' || rest[0] == '[' || rest[0] == ' ')
		})
	})
}
