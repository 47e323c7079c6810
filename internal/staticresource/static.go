// Package staticresource keeps static resources: named bags of known values, such
// as the ids of a network that exists already. Environment templates use them like
// the outputs of a resource. Sensitive values are encrypted and write-only: no
// method but Resolve, which only runs use, ever returns one.
//
// It must not know templates, environments or how a run uses a value.
package staticresource

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/literal"
	"github.com/berthdev/berth/internal/sharing"
)

// ID identifies a static resource.
type ID string

// The types a value is written in. Empty means text.
const (
	Text = "text"
	JSON = "json"
	HCL  = "hcl"
)

// Static is a static resource as it may be shown. Values of sensitive variables
// are empty.
type Static struct {
	ID          ID
	ProjectID   string // empty for the organisation
	Name        string
	Description string
	Variables   []Variable
	SharedWith  []string // project ids, or "*" for all
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Variable is one known value, the output of its name to a template.
type Variable struct {
	Name        string `json:"name"`
	ValueType   string `json:"valueType,omitempty"`
	Value       string `json:"value"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Description string `json:"description,omitempty"`
}

// Input is what Set makes a static resource into. A sensitive variable that is
// named without a value keeps the value it has.
type Input struct {
	Description string
	Variables   []Variable
	// OnlyNew refuses to change a static resource that exists. IfUnchangedSince, when set, is the UpdatedAt that the
	// caller last saw; a static resource changed since is left alone.
	OnlyNew          bool
	IfUnchangedSince time.Time
}

// Output is a variable as a template sees it before a run: what it is, not its
// value. Kind is string, number, bool, list, map, or any.
type Output struct {
	Name      string
	Kind      string
	Sensitive bool
}

// Value is the value of a variable, as JSON, for a run.
type Value struct {
	JSON      json.RawMessage
	Sensitive bool
}

// Faults of this package.
var (
	ErrNotFound = fault.New(fault.NotFound, "static_resource_not_found", "There is no such static resource.")
	ErrChanged  = fault.New(fault.Conflict, "static_resource_changed", "The static resource was changed by somebody else.")
	ErrInUse    = fault.New(fault.Conflict, "static_resource_in_use", "The static resource is in use.")
	ErrExists   = fault.New(fault.Conflict, "static_resource_exists", "There already is a static resource of this name.")
)

var varPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

const (
	maxValue       = 256 << 10
	maxVariables   = 500
	maxDescription = 4000
)

// validate finds everything that is wrong with a static resource, but for values:
// those are read when it is saved, because some are kept.
func validate(name string, in Input) error {
	var f fault.Fields
	sharing.CheckName(&f, name, "a static resource")
	f.Check(len(in.Description) <= maxDescription, "description", "must not be longer than %d characters", maxDescription)
	f.Check(len(in.Variables) <= maxVariables, "variables", "a static resource holds at most %d variables", maxVariables)
	seen := map[string]bool{}
	for i, v := range in.Variables {
		at := fmt.Sprintf("variables[%d]", i)
		f.Check(varPattern.MatchString(v.Name), at+".name", "%q is no name for a variable; use letters, digits, _ and -, beginning with a letter", v.Name)
		f.Check(!seen[v.Name], at+".name", "%q is given twice", v.Name)
		f.Check(len(v.Description) <= maxDescription, at+".description", "must not be longer than %d characters", maxDescription)
		seen[v.Name] = true
		switch v.ValueType {
		case "", Text, JSON, HCL:
		default:
			f.Add(at+".valueType", "there is no value type %q for a static resource; use text, json or hcl", v.ValueType)
			continue
		}
		if v.Value == "" && v.Sensitive {
			continue
		}
		if _, err := v.read(); err != nil {
			f.Add(at+".value", "%v", err)
		}
	}
	return f.Err()
}

// read returns the value that the text stands for.
func (v Variable) read() (cty.Value, error) {
	if len(v.Value) > maxValue {
		return cty.NilVal, fmt.Errorf("the value must not be longer than %d kB", maxValue>>10)
	}
	if strings.ContainsRune(v.Value, 0) {
		return cty.NilVal, errors.New("the value must not hold a zero byte")
	}
	var out cty.Value
	var err error
	switch v.ValueType {
	case JSON:
		out, err = literal.JSON(v.Value)
	case HCL:
		out, err = literal.HCL(v.Value)
	default:
		return cty.StringVal(v.Value), nil
	}
	if err == nil {
		err = literal.CheckNumbers(out)
	}
	if err != nil {
		return cty.NilVal, fmt.Errorf("the value %w", err)
	}
	return out, nil
}

func (v Variable) json() (json.RawMessage, error) {
	value, err := v.read()
	if err != nil {
		return nil, err
	}
	return ctyjson.Marshal(value, value.Type())
}

// kindOf is the kind of a value in the words of the expression language.
func kindOf(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsNull():
		return "any"
	case t == cty.String:
		return "string"
	case t == cty.Number:
		return "number"
	case t == cty.Bool:
		return "bool"
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		return "list"
	case t.IsObjectType() || t.IsMapType():
		return "map"
	}
	return "any"
}
