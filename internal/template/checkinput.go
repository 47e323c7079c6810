package template

import (
	"cmp"
	"fmt"
	"io/fs"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/sharing"
	"github.com/berthdev/berth/internal/template/bundle"
)

func (in SaveInput) state() State {
	if in.State == "" {
		return Draft
	}
	return in.State
}

func (in SaveInput) check() error {
	var f fault.Fields
	sharing.CheckName(&f, in.Name, "a template")
	f.Check(versionPattern.MatchString(in.Version), "version", "%q is no version; %s", in.Version, VersionRule)
	f.Check(in.state() == Draft || in.state() == Active, "state", "a version is saved as draft or active, not as %q", in.State)
	f.Check(len(in.Description) <= 4000, "description", "must not be longer than 4000 characters")
	return f.Err()
}

func (r ResourceSpec) withDefaults() ResourceSpec {
	if r.Provider.Name == "" {
		r.Provider.Name = OpenTofu
	}
	if r.Backend.Type == "" {
		r.Backend.Type = BackendSystem
	}
	if r.Bundle.Dir == "" {
		r.Bundle.Dir = "."
	}
	return r
}

func (r ResourceSpec) check() error {
	var f fault.Fields
	f.Check(r.Provider.Name == OpenTofu || r.Provider.Name == Terraform, "spec.provider.name", "there is no provider %q; use opentofu or terraform", r.Provider.Name)
	if err := checkConstraint(r.Provider.Version); err != nil {
		f.Add("spec.provider.version", "%q is no version constraint; write one like 1.12.6, ~> 1.9 or >= 1.6, < 2", r.Provider.Version)
	}
	f.Check(r.Backend.Type == BackendSystem || r.Backend.Type == BackendCustom, "spec.backend.type", "there is no backend type %q; use system or custom", r.Backend.Type)
	f.Check(r.Backend.Type == BackendCustom || len(r.Backend.Config) == 0, "spec.backend.config", "is for the backend type custom")
	r.Source.check(&f)
	f.Check(!r.Source.Empty() || r.Bundle.Digest != "", "spec.source", "names no source; give a repository with a path, or an upload")
	f.Check(r.Timeouts.Deploy >= 0 && r.Timeouts.Destroy >= 0, "spec.timeouts", "must not be negative")
	checkRefs(&f, r.Contexts)
	return f.Err()
}

func (s Source) check(f *fault.Fields) {
	f.Check(s.Repository == "" || s.Upload == "", "spec.source", "names both a repository and an upload; give one of them")
	f.Check(s.Repository != "" || s.Revision == "" && s.Commit == "", "spec.source.revision", "is for a repository; give the name of one")
	f.Check(fs.ValidPath(cleanFolder(s.Path)) && !strings.ContainsAny(s.Path, "\\\x00"), "spec.source.path", "%q leads out of the source; give a folder inside it", s.Path)
}

func (e EnvironmentSpec) check() error {
	var f fault.Fields
	switch e.ModuleInputs {
	case "", OfferModuleInputs, HideModuleInputs:
	default:
		f.Add("spec.moduleInputs", "%q is unknown; use offered or hidden", e.ModuleInputs)
	}
	f.Check(len(e.Readme) <= 256<<10, "spec.readme", "must not be longer than 256 kB")
	f.Check(len(e.Icon) <= 176<<10, "spec.icon", "must not be larger than 128 kB")
	f.Check(len(e.Resources) <= 200, "spec.resources", "a template holds at most 200 resources")
	checkRefs(&f, e.Contexts)
	return f.Err()
}

func checkRefs(f *fault.Fields, refs []ContextRef) {
	seen := map[string]bool{}
	for i, r := range refs {
		f.Check(sharing.ValidName(r.Name), fmt.Sprintf("spec.contexts[%d].name", i), "%q is no name of a config context", r.Name)
		f.Check(!seen[r.Name], fmt.Sprintf("spec.contexts[%d].name", i), "%q is attached twice", r.Name)
		seen[r.Name] = true
	}
}

// firstFault takes the first fault out of joined errors.
func firstFault(err error) error {
	var fields fault.Fields
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			fields.Merge("", e)
		}
		return fields.Err()
	}
	return err
}

// refuse makes one error of the problems that stop a version from being active.
func refuse(problems []Problem) error {
	var f fault.Fields
	for _, p := range problems {
		if p.Severity != bundle.Error {
			continue
		}
		path := cmp.Or(p.Path, "spec.source")
		if p.File != "" && p.Line > 0 { // without a line it is the folder of the source
			path = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		f.Add(path, "%s", p.Message)
	}
	return f.Err()
}
