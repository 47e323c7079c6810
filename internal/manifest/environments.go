package manifest

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

func environmentManifest(e environment.Environment, projectName string) *Manifest {
	return &Manifest{
		APIVersion: APIVersion, Kind: KindEnvironment, Spec: environmentSpec(e), Metadata: Metadata{Name: e.Name, Project: projectName},
	}
}

// environment makes an environment, or changes what its next deploy uses. It deploys nothing.
func (a *applier) environment(ctx context.Context, j *job, s *EnvironmentSpec) error {
	j.plainMeta(true)
	if j.Metadata.Description != "" {
		j.warn("metadata.description is not kept with an %s", j.Kind)
	}
	if j.unborn {
		j.unbornProject()
		return nil
	}
	if err := j.needsProject(); err != nil {
		return err
	}
	spec, _ := normal(s).(*EnvironmentSpec)
	e, err := a.Environments.Get(ctx, j.projectID, j.Name)
	missing, err := absent(err, environment.ErrNotFound)
	if err != nil {
		return err
	}
	if missing {
		return j.orWait(a.createEnvironment(ctx, j, spec))
	}
	if e.Template.Name != spec.Template.Name {
		return fault.InvalidField("spec.template.name", fmt.Sprintf("is %q, and the environment is made from %q; an environment keeps its template", spec.Template.Name, e.Template.Name))
	}
	return j.orWait(a.updateEnvironment(ctx, j, spec, e))
}

func (a *applier) createEnvironment(ctx context.Context, j *job, spec *EnvironmentSpec) error {
	given := *spec
	given.Variables = slices.DeleteFunc(slices.Clone(spec.Variables), func(v InputEntry) bool { return v.Value == nil })
	for _, v := range spec.Variables {
		if v.Value == nil {
			j.warn("%s is sensitive and has no value here; give one before the environment is deployed", v.Name)
		}
	}
	values, _ := given.inputs()
	in := environment.CreateInput{ProjectID: j.projectID, Name: j.Name, Template: spec.Template.Name, Version: string(spec.Template.Version), Inputs: values}
	shown := given
	if c := a.previewed(j, spec); c != nil {
		if c.Version.State != template.Active {
			return template.ErrNotUsable.With("Version %q of template %q is %s; choose an active version.", c.Version.Version, in.Template, c.Version.State)
		}
		shown.hide(c.Sensitive)
		j.compare(nil, Manifest{Spec: &shown})
		return a.Environments.CheckWith(ctx, in, c)
	}
	c, err := a.Templates.Find(ctx, j.projectID, in.Template, in.Version)
	if err != nil {
		return err
	}
	shown.hide(c.Sensitive)
	j.compare(nil, Manifest{Spec: &shown})
	if a.options.DryRun {
		return a.Environments.Validate(ctx, in)
	}
	_, err = a.Environments.Create(ctx, in)
	return err
}

// previewed is the version of the template that an earlier document would save.
func (a *applier) previewed(j *job, spec *EnvironmentSpec) *template.Compiled {
	var found *template.Compiled
	for k, c := range a.compiled {
		if k.project == j.result.Project && k.name == spec.Template.Name && (k.version == string(spec.Template.Version) || spec.Template.Version == "" && c.Version.State == template.Active) {
			found = c
		}
	}
	return found
}

// hide marks the sensitive inputs, so that their values are not shown.
func (s *EnvironmentSpec) hide(sensitive func(string) bool) {
	s.Variables = slices.Clone(s.Variables)
	for i := range s.Variables {
		s.Variables[i].Options.Sensitive = s.Variables[i].Options.Sensitive || sensitive(s.Variables[i].Name)
	}
}

func (a *applier) updateEnvironment(ctx context.Context, j *job, spec *EnvironmentSpec, e environment.Environment) error {
	values, keep := spec.inputs()
	stored := map[string]bool{}
	for _, v := range e.Inputs {
		stored[v.Name] = true
	}
	// A sensitive input that neither the document nor the environment has a value of is left out.
	values = slices.DeleteFunc(values, func(v template.Value) bool {
		lost := slices.Contains(keep, v.Name) && !stored[v.Name]
		if lost {
			j.warn("%s is sensitive and has no value here; give one before the environment is deployed", v.Name)
		}
		return lost
	})
	have := environmentManifest(e, "")
	in := environment.UpdateInput{Inputs: &values, Keep: keep}
	if version := string(spec.Template.Version); version != string(environmentSpec(e).Template.Version) {
		in.Version = &version
	}
	changed, err := a.Environments.Check(ctx, j.projectID, j.Name, in)
	if err != nil {
		return err
	}
	want := Manifest{Spec: a.visible(spec, values, e, changed)}
	j.compare(have, want)
	for _, name := range changed {
		j.secret(fmt.Sprintf("spec.variables[%s].value", name))
	}
	if j.result.Change == Unchanged || a.options.DryRun {
		return nil
	}
	_, err = a.Environments.Update(ctx, j.projectID, j.Name, in)
	return err
}

// visible is the specification as the environment would be exported afterwards: sensitive inputs without value.
func (a *applier) visible(spec *EnvironmentSpec, values []template.Value, e environment.Environment, secret []string) *EnvironmentSpec {
	out := &EnvironmentSpec{Template: spec.Template}
	for _, v := range spec.Variables {
		if !slices.ContainsFunc(values, func(o template.Value) bool { return o.Name == v.Name }) {
			continue
		}
		if e.Hidden[v.Name] || slices.Contains(secret, v.Name) {
			v.Options.Sensitive, v.Value = true, nil
		} else {
			v.Options.Sensitive = false
		}
		out.Variables = append(out.Variables, v)
	}
	return out
}
