// Package configcontext keeps config contexts: named bundles of environment
// variables, files and input variables, some of them sensitive, that runs need
// and developers must not see. Sensitive values are encrypted and write-only: no
// method but Resolve, which only runs use, ever returns one.
//
// It must not know templates, environments or how a run uses a context.
package configcontext

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/sharing"
)

// ID identifies a context.
type ID string

// Kind is what an entry of a context is.
type Kind string

// The kinds of entry.
const (
	EnvKind      Kind = "env"
	FileKind     Kind = "file"
	VariableKind Kind = "variable"
)

// Context is a context as it may be shown. Values of sensitive entries are empty.
type Context struct {
	ID          ID
	ProjectID   string // empty for the organisation
	Name        string
	Description string
	Env         []Env
	Files       []File
	Variables   []Variable
	Sandbox     *Sandbox // nil unless the context is marked as sandbox
	SharedWith  []string // project ids, or "*" for all
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Env is one environment variable.
type Env struct {
	Key         string `json:"key"`
	Value       string `json:"value"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Description string `json:"description,omitempty"`
}

// File is one file. MountPath is relative to the module's folder, or to the home
// folder of the run when it begins with "~/".
type File struct {
	MountPath   string `json:"mountPath"`
	Content     []byte `json:"content"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Description string `json:"description,omitempty"`
}

// Variable is one input variable, given to every module that has one of the name.
// ValueType is text, json or hcl.
type Variable struct {
	Name        string `json:"name"`
	ValueType   string `json:"valueType,omitempty"`
	Value       string `json:"value"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Description string `json:"description,omitempty"`
}

// Sandbox says which AWS look-alike runs with this context talk to.
type Sandbox struct {
	Endpoint  string `json:"endpoint"`
	Region    string `json:"region,omitempty"`
	AccessKey string `json:"accessKey,omitempty"`
	SecretKey string `json:"-"` // write-only
}

// Input is what Set makes a context into. A sensitive entry that is named
// without a value keeps the value it has.
type Input struct {
	Description string
	Env         []Env
	Files       []File
	Variables   []Variable
	Sandbox     *Sandbox
	// OnlyNew refuses to change a context that exists. IfUnchangedSince, when set, is the UpdatedAt that the caller
	// last saw; a context changed since is left alone.
	OnlyNew          bool
	IfUnchangedSince time.Time
}

// Values is a context with everything in clear, for a run.
type Values struct {
	ID        ID
	Name      string
	Env       []Env
	Files     []File
	Variables []Variable
	Sandbox   *Sandbox
}

// Faults of this package.
var (
	ErrNotFound = fault.New(fault.NotFound, "context_not_found", "There is no such config context.")
	ErrChanged  = fault.New(fault.Conflict, "context_changed", "The config context was changed by somebody else.")
	ErrInUse    = fault.New(fault.Conflict, "context_in_use", "The config context is in use.")
	ErrExists   = fault.New(fault.Conflict, "context_exists", "There already is a config context of this name.")
)

var (
	envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	varPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
)

const (
	maxValue   = 256 << 10
	maxEntries = 500
)

// validate finds everything that is wrong with a context.
func validate(name string, in Input) error {
	var f fault.Fields
	sharing.CheckName(&f, name, "a config context")
	f.Check(len(in.Env)+len(in.Files)+len(in.Variables) <= maxEntries, "env", "a context holds at most %d entries", maxEntries)
	seen := map[string]bool{}
	once := func(kind Kind, name, path string) {
		f.Check(!seen[string(kind)+name], path, "%q is given twice", name)
		seen[string(kind)+name] = true
	}
	for i, e := range in.Env {
		at := fmt.Sprintf("env[%d]", i)
		f.Check(envPattern.MatchString(e.Key), at+".key", "%q is no name for an environment variable; use letters, digits and _", e.Key)
		f.Check(!strings.ContainsRune(e.Value, 0), at+".value", "the value must not hold a zero byte")
		f.Check(len(e.Value) <= maxValue, at+".value", "the value must not be longer than %d kB", maxValue>>10)
		once(EnvKind, e.Key, at+".key")
	}
	for i, v := range in.Variables {
		at := fmt.Sprintf("variables[%d]", i)
		f.Check(varPattern.MatchString(v.Name), at+".name", "%q is no name for a variable; use letters, digits, _ and -", v.Name)
		f.Check(v.ValueType == "" || v.ValueType == "text" || v.ValueType == "json" || v.ValueType == "hcl", at+".valueType",
			"there is no value type %q for a context; use text, json or hcl", v.ValueType)
		f.Check(len(v.Value) <= maxValue, at+".value", "the value must not be longer than %d kB", maxValue>>10)
		once(VariableKind, v.Name, at+".name")
	}
	for i, file := range in.Files {
		at := fmt.Sprintf("files[%d]", i)
		if err := checkMountPath(file.MountPath); err != nil {
			f.Add(at+".mountPath", "%v", err)
		}
		f.Check(len(file.Content) <= maxValue, at+".content", "the file must not be larger than %d kB", maxValue>>10)
		once(FileKind, file.MountPath, at+".mountPath")
	}
	if s := in.Sandbox; s != nil {
		u, err := url.Parse(s.Endpoint)
		f.Check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "sandbox.endpoint",
			"%q is no address of a sandbox; give one like http://127.0.0.1:4566", s.Endpoint)
	}
	return f.Err()
}

func checkMountPath(p string) error {
	rest := strings.TrimPrefix(p, "~/")
	if rest == "" || path.IsAbs(rest) || path.Clean(rest) != rest || rest == "." || rest == ".." || strings.HasPrefix(rest, "../") || strings.ContainsRune(rest, 0) {
		return fmt.Errorf("%q is no place for a file; give a path below the module's folder (certs/ca.pem) or below the home folder (~/.aws/config)", p)
	}
	return nil
}
