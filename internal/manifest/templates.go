package manifest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
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
	if j.unbornProject() {
		return nil
	}
	spec, _ := normal(s).(*ResourceTemplateSpec)
	h, v, err := a.Templates.ResourceHead(ctx, j.projectID, j.Name, string(s.Version), variables(s.Variables))
	if err != nil {
		return err
	}
	if err := a.source(ctx, j, spec, v); err != nil {
		return err
	}
	want := Manifest{Metadata: j.Metadata}
	var have *Manifest
	var shares []string
	if h != nil {
		shares = h.SharedWith
		want.Metadata = keepMeta(want.Metadata, head(h, j.Name, ""))
	}
	spec.Sharing = a.wantSharing(s.Sharing, shares)
	with, share, err := a.sharing(ctx, j, s.Sharing, shares, resourceObject)
	if err != nil {
		return err
	}
	spec.VersionState = cmp.Or(s.VersionState, template.Draft)
	domain := spec.domain()
	if v != nil {
		old := resourceSpec(v)
		old.Sharing = a.known.sharing(shares)
		have = &Manifest{Metadata: head(h, j.Name, ""), Spec: old}
		spec.VersionState = cmp.Or(s.VersionState, v.State)
		if spec.Source.Repository != "" && spec.Source.Commit == "" {
			spec.Source.Commit = old.Source.Commit // what the branch holds now is not known yet
		}
		if v.Spec.Source.Empty() && spec.Source.Upload == v.Spec.Bundle.Digest {
			domain.Source, domain.Bundle = template.Source{}, v.Spec.Bundle
		}
		j.result.Problems = v.Problems
	}
	want.Spec = concealed(spec)
	j.compare(have, want)
	j.secretVariables(h)
	if err := a.saveResource(ctx, j, want, domain, v); err != nil {
		return err
	}
	if !share {
		return nil
	}
	return a.Templates.ShareResource(ctx, j.projectID, j.Name, with)
}

// secretVariables notes which sensitive values of a version change.
func (j *job) secretVariables(h *template.Head) {
	if h == nil {
		return
	}
	for _, name := range h.NewSecrets {
		j.secret(fmt.Sprintf("spec.variables[%s].value", name))
	}
}

func (a *applier) wantSharing(want *Sharing, have []string) *Sharing {
	if want == nil {
		return a.known.sharing(have)
	}
	return want.normal()
}

func (j *job) saveInput(m Metadata, state template.State) template.SaveInput {
	return template.SaveInput{
		ProjectID: j.projectID, Name: j.Name, DisplayName: m.DisplayName, Description: m.Description, Version: j.Version(), State: state,
		Labels: stringMap(j.Metadata.Labels), Annotations: stringMap(j.Metadata.Annotations), OrDraft: j.foreign,
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
	in.Lenient = a.options.Lenient
	if a.options.DryRun {
		if !save && !reread {
			return nil
		}
		in.Repositories = a.repositories
		preview, err := a.Templates.PreviewResource(ctx, in, spec)
		if err != nil {
			return err
		}
		a.previews.Resources = append(a.previews.Resources, preview)
		j.result.Problems = preview.Problems
		j.drafted(in.State, preview.State)
		j.commit(v, preview)
		return nil
	}
	if save || reread {
		saved, change, err := a.Templates.SaveResource(ctx, in, spec)
		if err != nil {
			return err
		}
		j.result.Problems = saved.Problems
		move = !j.drafted(in.State, saved.State) && move
		j.commit(v, saved)
		if change == template.Unchanged && allWithin(j.result.Diff, "spec.source") {
			j.result.Diff = nil // another archive with the same code in it
			j.decide()
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

// source finds the code of a folder: what was uploaded for it, or the folder itself where the server has it.
func (a *applier) source(ctx context.Context, j *job, s *ResourceTemplateSpec, v *template.ResourceVersion) error {
	name := s.Source.Folder
	if name == "" {
		return nil
	}
	if a.options.Folder != nil {
		if f, ok := a.options.Folder(j.File, name); ok {
			s.Source = SourceSpec{Upload: f.Upload, Path: folder(f.Path)}
			return nil
		}
	}
	if a.options.Files == nil {
		return fault.InvalidField("spec.source.folder", fmt.Sprintf("the folder %q was not uploaded; berth apply does that, or name a repository", name))
	}
	at := path.Dir(j.File)
	root, target := WorkTree(a.options.Files, at), path.Join(at, name)
	below, inside := strings.CutPrefix(target+"/", root+"/")
	if root == "." {
		below, inside = target+"/", fs.ValidPath(target)
	}
	if path.IsAbs(name) || !inside {
		return fault.InvalidField("spec.source.folder", fmt.Sprintf("%q lies outside %s; a document may name folders of its git work tree, or without git those below its own", name, cmp.Or(root, ".")))
	}
	if info, err := fs.Stat(a.options.Files, target); err != nil || !info.IsDir() {
		return fault.InvalidField("spec.source.folder", fmt.Sprintf("there is no folder %q beside the document", name))
	}
	files, err := fs.Sub(a.options.Files, root)
	if err != nil {
		return fmt.Errorf("opening the folder of %s: %w", j.File, err)
	}
	packed, err := bundle.Pack(ctx, files, cmp.Or(strings.Trim(below, "/"), "."), bundle.DefaultLimits())
	if err != nil {
		return err
	}
	if v != nil && sameCode(v.Spec, packed) {
		s.Source = sourceSpec(v.Spec)
		return nil
	}
	up, err := a.Templates.AddUpload(ctx, j.projectID, bytes.NewReader(packed.Archive()))
	if err != nil {
		return err
	}
	s.Source = SourceSpec{Upload: up.Digest, Path: folder(packed.Dir)}
	return nil
}

// sameCode reports whether a version was made of an upload of this code, or of the code itself.
func sameCode(s template.ResourceSpec, packed *bundle.Bundle) bool {
	if s.Source.Empty() {
		return s.Bundle.Digest == packed.Digest && s.Bundle.Dir == packed.Dir
	}
	return s.Source.Upload != "" && s.Bundle.Source == packed.Digest && s.Bundle.Folder == packed.Dir
}

func (a *applier) environmentTemplate(ctx context.Context, j *job, s *EnvironmentTemplateSpec) error {
	if j.unbornProject() {
		return nil
	}
	spec, _ := normal(s).(*EnvironmentTemplateSpec)
	h, v, err := a.Templates.EnvironmentHead(ctx, j.projectID, j.Name, string(s.Version), variables(s.Variables))
	if err != nil {
		return err
	}
	want := Manifest{Metadata: j.Metadata}
	var have *Manifest
	var shares []string
	if h != nil {
		shares = h.SharedWith
		want.Metadata = keepMeta(want.Metadata, head(h, j.Name, ""))
	}
	spec.Sharing = a.wantSharing(s.Sharing, shares)
	with, share, err := a.sharing(ctx, j, s.Sharing, shares, environmentObject)
	if err != nil {
		return err
	}
	had := template.Draft
	if v != nil {
		had = v.State
		old := environmentTemplateSpec(v)
		old.Sharing = a.known.sharing(shares)
		have = &Manifest{Metadata: head(h, j.Name, ""), Spec: old}
		j.result.Problems = v.Problems
	}
	spec.VersionState = cmp.Or(s.VersionState, had)
	want.Spec = concealed(spec)
	j.compare(have, want)
	j.secretVariables(h)
	if err := a.saveEnvironmentTemplate(ctx, j, want, spec, v, had); err != nil {
		return err
	}
	if !share {
		return nil
	}
	return a.Templates.ShareEnvironment(ctx, j.projectID, j.Name, with)
}

func (a *applier) saveEnvironmentTemplate(ctx context.Context, j *job, want Manifest, spec *EnvironmentTemplateSpec, v *template.EnvironmentVersion, had template.State) error {
	save, move := j.step(spec.VersionState, had, v != nil)
	// A draft is checked again when what it uses has changed.
	again := v != nil && had == template.Draft && (len(v.Problems) > 0 || a.usesChanged(j, spec))
	if !save && !move && !again {
		return nil
	}
	in := j.saveInput(want.Metadata, saveState(spec.VersionState, had))
	in.Lenient = a.options.Lenient
	if a.options.DryRun {
		if !save && !again {
			return nil
		}
		c, err := a.Templates.PreviewEnvironment(ctx, in, spec.domain(), a.previews)
		if err != nil {
			return err
		}
		j.result.Problems = c.Problems()
		j.drafted(in.State, c.Version.State)
		a.compiled[key{kind: KindEnvironmentTemplate, project: j.result.Project, name: j.Name, version: j.Version()}] = c
		return nil
	}
	if save || again {
		saved, _, err := a.Templates.SaveEnvironment(ctx, in, spec.domain())
		if err != nil {
			return err
		}
		j.result.Problems = saved.Problems
		move = !j.drafted(in.State, saved.State) && move
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
