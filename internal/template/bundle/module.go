package bundle

import (
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Severity tells a problem that stops publishing from one that does not.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing that is wrong with a source or a template, and where.
// File and Line point into the module's code; Path points into the template.
type Problem struct {
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Path     string   `json:"path,omitempty"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
}

// Pos is a place in a module's code.
type Pos struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// Module is what the root module of a bundle declares.
type Module struct {
	Variables     []Variable   `json:"variables"`
	Outputs       []Output     `json:"outputs"`
	Providers     []Provider   `json:"providers,omitempty"`
	RequiredTool  []Required   `json:"requiredTool,omitempty"`
	Calls         []ModuleCall `json:"calls,omitempty"`
	ResourceTypes []string     `json:"resourceTypes,omitempty"`
	Backend       string       `json:"backend,omitempty"`
	Problems      []Problem    `json:"problems,omitempty"`
}

// Variable is one variable block. Default is null when HasDefault is false.
type Variable struct {
	Name        string          `json:"name"`
	Type        Type            `json:"type"`
	TypeText    string          `json:"typeText"`
	Description string          `json:"description,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	HasDefault  bool            `json:"hasDefault"`
	Sensitive   bool            `json:"sensitive,omitempty"`
	Nullable    bool            `json:"nullable"`
	Validations []Validation    `json:"validations,omitempty"`
	Pos         Pos             `json:"pos"`
}

// Validation is one validation block of a variable, as written.
type Validation struct {
	Condition string `json:"condition"`
	Message   string `json:"message"`
}

// Output is one output block.
type Output struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Sensitive   bool   `json:"sensitive,omitempty"`
}

// Provider is one entry of required_providers.
type Provider struct {
	Name    string `json:"name"`
	Source  string `json:"source,omitempty"`
	Version string `json:"version,omitempty"`
}

// Required is what a required_version says of the tool that runs the code.
type Required struct {
	Constraint string `json:"constraint"`
	Pos        Pos    `json:"pos"`
}

// ModuleCall is one module block.
type ModuleCall struct {
	Name    string `json:"name"`
	Source  string `json:"source"`
	Version string `json:"version,omitempty"`
	Pos     Pos    `json:"pos"`
}

// Variable returns the variable of that name.
func (m *Module) Variable(name string) (*Variable, bool) {
	for i := range m.Variables {
		if m.Variables[i].Name == name {
			return &m.Variables[i], true
		}
	}
	return nil, false
}

// Output returns the output of that name.
func (m *Module) Output(name string) (*Output, bool) {
	for i := range m.Outputs {
		if m.Outputs[i].Name == name {
			return &m.Outputs[i], true
		}
	}
	return nil, false
}

// Failed reports whether a problem stops the module from being used.
func (m *Module) Failed() bool {
	for _, p := range m.Problems {
		if p.Severity == Error {
			return true
		}
	}
	return false
}

// Type is a variable's type in a form that pages and schemas can walk.
// Kind is string, number, bool, list, set, map, object, tuple or any.
type Type struct {
	Kind       string      `json:"kind"`
	Element    *Type       `json:"element,omitempty"`
	Attributes []Attribute `json:"attributes,omitempty"`
	Items      []Type      `json:"items,omitempty"`
}

// Attribute is one attribute of an object type.
type Attribute struct {
	Name     string          `json:"name"`
	Type     Type            `json:"type"`
	Optional bool            `json:"optional,omitempty"`
	Default  json.RawMessage `json:"default,omitempty"`
}

// Scalar reports whether a single text field can hold a value of the type.
func (t Type) Scalar() bool {
	return t.Kind == "string" || t.Kind == "number" || t.Kind == "bool" || t.Kind == "any"
}

// Constraint is a type ready to convert values to.
type Constraint struct {
	Type     cty.Type
	defaults *typeexpr.Defaults
}

// Apply fills in the defaults of optional object attributes.
func (c Constraint) Apply(v cty.Value) cty.Value {
	if c.defaults == nil || v.IsNull() || !v.IsKnown() {
		return v
	}
	return c.defaults.Apply(v)
}

// Constraint parses the variable's type again. A variable without a type takes
// any value.
func (v *Variable) Constraint() (Constraint, error) {
	if v.TypeText == "" {
		return Constraint{Type: cty.DynamicPseudoType}, nil
	}
	expr, diags := hclsyntax.ParseExpression([]byte(v.TypeText), "type", hcl.InitialPos)
	if diags.HasErrors() {
		return Constraint{}, diags
	}
	ty, defaults, diags := parseType(expr)
	if diags.HasErrors() {
		return Constraint{}, diags
	}
	return Constraint{Type: ty, defaults: defaults}, nil
}

// parseType reads a type expression, and the quoted spelling of old modules.
func parseType(expr hcl.Expression) (cty.Type, *typeexpr.Defaults, hcl.Diagnostics) {
	if v, diags := expr.Value(nil); !diags.HasErrors() && !v.IsNull() && v.Type() == cty.String {
		switch v.AsString() {
		case "string":
			return cty.String, nil, nil
		case "list":
			return cty.List(cty.DynamicPseudoType), nil, nil
		case "map":
			return cty.Map(cty.DynamicPseudoType), nil, nil
		}
	}
	switch hcl.ExprAsKeyword(expr) {
	case "list":
		return cty.List(cty.DynamicPseudoType), nil, nil
	case "map":
		return cty.Map(cty.DynamicPseudoType), nil, nil
	}
	return typeexpr.TypeConstraintWithDefaults(expr)
}

// describeType turns a type and the defaults of its attributes into a Type.
func describeType(ty cty.Type, defaults *typeexpr.Defaults) Type {
	switch {
	case ty == cty.String:
		return Type{Kind: "string"}
	case ty == cty.Number:
		return Type{Kind: "number"}
	case ty == cty.Bool:
		return Type{Kind: "bool"}
	case ty.IsListType(), ty.IsSetType(), ty.IsMapType():
		kind := "list"
		if ty.IsSetType() {
			kind = "set"
		} else if ty.IsMapType() {
			kind = "map"
		}
		element := describeType(ty.ElementType(), childDefaults(defaults, ""))
		return Type{Kind: kind, Element: &element}
	case ty.IsTupleType():
		t := Type{Kind: "tuple"}
		for _, item := range ty.TupleElementTypes() {
			t.Items = append(t.Items, describeType(item, nil))
		}
		return t
	case ty.IsObjectType():
		return describeObject(ty, defaults)
	}
	return Type{Kind: "any"}
}

func describeObject(ty cty.Type, defaults *typeexpr.Defaults) Type {
	t := Type{Kind: "object"}
	for _, name := range sortedKeys(ty.AttributeTypes()) {
		a := Attribute{
			Name:     name,
			Type:     describeType(ty.AttributeType(name), childDefaults(defaults, name)),
			Optional: ty.AttributeOptional(name),
		}
		if defaults != nil {
			if v, ok := defaults.DefaultValues[name]; ok {
				a.Default = marshalValue(v)
			}
		}
		t.Attributes = append(t.Attributes, a)
	}
	return t
}

func childDefaults(d *typeexpr.Defaults, name string) *typeexpr.Defaults {
	if d == nil {
		return nil
	}
	return d.Children[name]
}

// marshalValue writes a known value as JSON, and nothing for any other.
func marshalValue(v cty.Value) json.RawMessage {
	if !v.IsWhollyKnown() {
		return nil
	}
	out, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil
	}
	return out
}
