package tofu

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Dialect builds command lines for one binary. OpenTofu and Terraform differ in how machine-readable events are had:
// OpenTofu writes them to a file beside its text for people, Terraform prints either the one or the other.
type Dialect struct {
	Terraform bool
	Version   string
}

// EventsInto says whether events can be written to a file beside the text (OpenTofu 1.12 and later).
func (d Dialect) EventsInto() bool {
	if d.Terraform {
		return false
	}
	major, minor := splitVersion(d.Version)
	return major > 1 || (major == 1 && minor >= 12)
}

// splitVersion reads "1.12.6"; an unknown version counts as a recent one.
func splitVersion(v string) (major, minor int) {
	parts := strings.SplitN(strings.TrimPrefix(v, "v"), ".", 3)
	if len(parts) < 2 {
		return 1, 1 << 20
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return 1, 1 << 20
	}
	return major, minor
}

// Change describes one plan or apply.
type Change struct {
	Destroy     bool
	RefreshOnly bool
	VarFile     string
	Out         string // plan file to write
	SavedPlan   string // plan file to apply; excludes the fields above
	Events      string // file for events, where EventsInto
}

// Init returns the arguments that initialise a directory. Without a backend only modules and providers are installed.
func (d Dialect) Init(backend bool) []string {
	args := []string{"init", "-input=false", "-no-color"}
	if !backend {
		args = append(args, "-backend=false")
	}
	return args
}

// Fetch returns the arguments that install modules and choose providers, without a backend. A lock file that must not
// change stays as it is, and what it does not cover is an error.
func (d Dialect) Fetch(keepLock bool) []string {
	args := d.Init(false)
	if d.initEvents() {
		args = append(args, "-json")
	}
	if keepLock {
		args = append(args, "-lockfile=readonly")
	}
	return args
}

// initEvents says whether init can print events instead of text (every OpenTofu that Berth takes, Terraform 1.9 and later).
func (d Dialect) initEvents() bool {
	major, minor := splitVersion(d.Version)
	return !d.Terraform || major > 1 || minor >= 9
}

// Validate returns the arguments that check the code of an initialised directory and print the result as JSON.
func (d Dialect) Validate() []string { return []string{"validate", "-json"} }

// Apply returns the arguments of an apply that asks nobody.
func (d Dialect) Apply(c Change) []string {
	args := append([]string{"apply", "-input=false", "-auto-approve"}, d.events(c.Events)...)
	if c.SavedPlan != "" {
		return append(args, c.SavedPlan)
	}
	return append(args, planOptions(c)...)
}

// Plan returns the arguments of a plan.
func (d Dialect) Plan(c Change) []string {
	args := append([]string{"plan", "-input=false"}, d.events(c.Events)...)
	if c.Out != "" {
		args = append(args, "-out="+c.Out)
	}
	return append(args, planOptions(c)...)
}

// Import returns the arguments that take an existing object into the state.
func (d Dialect) Import(varFile, address, id string) []string {
	args := []string{"import", "-input=false", "-no-color"}
	if varFile != "" {
		args = append(args, "-var-file="+varFile)
	}
	return append(args, address, id)
}

// ShowPlan returns the arguments that print a plan file as JSON.
func (d Dialect) ShowPlan(file string) []string { return []string{"show", "-json", file} }

// ShowState returns the arguments that print the current state as JSON.
func (d Dialect) ShowState() []string { return []string{"show", "-json"} }

// Outputs returns the arguments that print the outputs as JSON.
func (d Dialect) Outputs() []string { return []string{"output", "-json", "-no-color"} }

func (d Dialect) events(file string) []string {
	if d.EventsInto() && file != "" {
		return []string{"-no-color", "-json-into=" + file}
	}
	return []string{"-json"}
}

func planOptions(c Change) []string {
	var args []string
	if c.Destroy {
		args = append(args, "-destroy")
	}
	if c.RefreshOnly {
		args = append(args, "-refresh-only")
	}
	if c.VarFile != "" {
		args = append(args, "-var-file="+filepath.Clean(c.VarFile))
	}
	return args
}
