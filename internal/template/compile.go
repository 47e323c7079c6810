package template

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/expr"
)

// Compiled is an environment template version together with its modules, ready
// to describe its inputs, to check a developer's values and to resolve the final
// variables of each resource. It is immutable and safe for many goroutines.
type Compiled struct {
	Version   *EnvironmentVersion
	Resources []*CompiledResource // the nodes that a run applies, in the order of the template
	Upstreams []*Upstream         // the nodes that exist already: static resources and other environments

	problems []Problem
	inputs   []*boundInput
	byName   map[string]*boundInput
	locked   map[string]string // names a developer may not set, and why
	compiler *Compiler
}

// CompiledResource is one node of the graph.
type CompiledResource struct {
	Name    string
	Version *ResourceVersion
	// DependsOn names the resources that must be deployed before: those the
	// template lists and those whose outputs a template expression uses.
	DependsOn []string

	index     int
	variables []*moduleVariable
}

// moduleVariable is one variable of a module with everything that may set it.
type moduleVariable struct {
	*bundle.Variable
	constraint bundle.Constraint
	conditions []condition
	limits     Limits
	parts      map[string]Limits
	choices    []cty.Value

	environment *givenVariable // of the environment template
	resource    *givenVariable // of the resource template
	input       *boundInput    // nil when a developer cannot set it
	hidden      bool           // may be reached only as a free variable
}

// givenVariable is a variable of a template with its compiled expression.
type givenVariable struct {
	Variable
	path string
	expr *expr.Expression
}

// given returns the template's variable whose value counts, or nil.
func (m *moduleVariable) given() *givenVariable {
	for _, g := range []*givenVariable{m.environment, m.resource} {
		if g != nil && g.Value != nil {
			return g
		}
	}
	return nil
}

type boundInput struct {
	Input
	targets []target
}

type target struct {
	resource *CompiledResource
	variable *moduleVariable
}

// Compiler holds what compiling needs and every version shares.
type Compiler struct {
	language  *expr.Language
	functions map[string]function.Function
}

// NewCompiler builds a compiler. Make one and keep it.
func NewCompiler() (*Compiler, error) {
	l, err := expr.New()
	if err != nil {
		return nil, err
	}
	return &Compiler{language: l, functions: validationFunctions()}, nil
}

// Surroundings is what is known around an environment template version. A nil map
// of Statics or Environments says that nobody has looked, and nothing of them is
// checked then.
type Surroundings struct {
	Resources map[ResourceVersionID]*ResourceVersion
	// Contexts are the attached contexts, as far as they are known.
	Contexts []KnownContext
	Statics  map[string][]staticresource.Output
	// Environments are the deployed environments of the project that the template is
	// in: their resources, and those resources' outputs.
	Environments map[string]map[string][]string
}

// Compile is CompileIn where nothing of statics and environments is known.
func (c *Compiler) Compile(v *EnvironmentVersion, resources map[ResourceVersionID]*ResourceVersion, contexts ...KnownContext) *Compiled {
	return c.CompileIn(v, Surroundings{Resources: resources, Contexts: contexts})
}

// CompileIn checks an environment template version against what it uses. It always
// returns a result, with what is wrong in Problems; a version with errors may be
// kept as a draft and nothing else.
func (c *Compiler) CompileIn(v *EnvironmentVersion, in Surroundings) *Compiled {
	out := &Compiled{Version: v, compiler: c, byName: map[string]*boundInput{}, locked: map[string]string{}}
	out.addNodes(in)
	out.bindEnvironmentVariables()
	for _, r := range out.Resources {
		out.bindResourceVariables(r)
	}
	out.addInputs(in.Contexts)
	out.checkReferences()
	out.checkCycles()
	out.checkStaticValues()
	return out
}

// Problems lists what is wrong with the version, with the place of each.
func (c *Compiled) Problems() []Problem { return slices.Clone(c.problems) }

// Failed reports whether a problem stops the version from becoming active.
func (c *Compiled) Failed() bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Severity == bundle.Error })
}

// Resource returns the node of that name.
func (c *Compiled) Resource(name string) (*CompiledResource, bool) {
	for _, r := range c.Resources {
		if r.Name == name {
			return r, true
		}
	}
	return nil, false
}

func (c *Compiled) problem(s bundle.Severity, path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Severity: s, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *Compiled) moduleVariable(v *bundle.Variable, path string) *moduleVariable {
	m := &moduleVariable{Variable: v}
	var err error
	if m.constraint, err = v.Constraint(); err != nil {
		c.problems = append(c.problems, Problem{
			Severity: bundle.Error, Path: path, File: v.Pos.File, Line: v.Pos.Line,
			Message: fmt.Sprintf("the type of variable %q cannot be read: %v", v.Name, err),
		})
		m.constraint = bundle.Constraint{Type: cty.DynamicPseudoType}
	}
	m.conditions, m.limits, m.parts, m.choices = readConditions(v, c.compiler.functions)
	return m
}

func (r *CompiledResource) variable(name string) *moduleVariable {
	for _, v := range r.variables {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// given compiles a variable of a template and checks what can be checked of it
// alone.
func (c *Compiled) given(v Variable, path string) *givenVariable {
	g := &givenVariable{Variable: v, path: path}
	if !variablePattern.MatchString(v.Name) {
		c.problem(bundle.Error, path+".name", "%q is no name for a variable; use letters, digits, _ and -", v.Name)
	}
	for _, p := range checkVariable(v) {
		p.Path = path + "." + p.Path
		c.problems = append(c.problems, p)
	}
	if v.ValueType == Expression && v.Value != nil {
		if !expr.Contains(*v.Value) {
			c.problem(bundle.Error, path+".value", "variable %q is an expression, so write it as $( ... )$, for example $(environment.name)$", v.Name)
		}
		e, err := c.compiler.language.Compile(*v.Value)
		if err != nil {
			c.problem(bundle.Error, path+".value", "variable %q: %v", v.Name, unquoted(err, v.Options.Sensitive))
			g.Value = nil
			return g
		}
		g.expr = e
	}
	return g
}

// checkVariable finds what is wrong with a template's variable by itself.
func checkVariable(v Variable) []Problem {
	var out []Problem
	add := func(path, format string, args ...any) {
		out = append(out, Problem{Severity: bundle.Error, Path: path, Message: fmt.Sprintf("variable %q: ", v.Name) + fmt.Sprintf(format, args...)})
	}
	if v.ValueType != "" && !v.ValueType.Valid() {
		add("valueType", "there is no value type %q; use text, expression, json or hcl", v.ValueType)
	}
	o := v.Options.Override
	switch o.Type {
	case "", Allowed, NotAllowed:
		if len(o.RestrictedValues)+len(o.RestrictedKeyValues) > 0 {
			add("options.override.type", "it lists restricted values, so its override type must be restricted")
		}
	case Restricted:
		if len(o.RestrictedValues)+len(o.RestrictedKeyValues) == 0 {
			add("options.override", "it is restricted, but lists no value; give restrictedValues or restrictedKeyValues")
		}
	default:
		add("options.override.type", "there is no override type %q; use allowed, notallowed or restricted", o.Type)
	}
	if o.MultiSelect && o.Type != Restricted {
		add("options.override.multiSelect", "it takes several values of a list, so its override type must be restricted")
	}
	return out
}

// checkStaticValues converts every value that a template gives to the type of
// the variables it sets, and checks it against their validations.
func (c *Compiled) checkStaticValues() {
	for _, r := range c.Resources {
		for _, m := range r.variables {
			for _, g := range []*givenVariable{m.environment, m.resource} {
				if g == nil || g.Value == nil {
					continue
				}
				if g.expr != nil {
					if err := kindFits(c.kindOf(g.expr), m.Type.Kind); err != nil {
						c.problem(bundle.Error, g.path+".value", "variable %q: resource %q needs another type: %v", g.Name, r.Name, err)
					}
					continue
				}
				v, err := parseValue(g.ValueType, *g.Value, m.constraint, m.Type.Kind)
				if err == nil {
					err = c.checkConditions(m, v, cty.NilVal)
				}
				if err != nil && !errors.Is(err, errNull) {
					c.problem(bundle.Error, g.path+".value", "variable %q of resource %q: the value %v", m.Name, r.Name, err)
				}
			}
		}
	}
}

// kindFits compares the kind of an expression's value with a variable's.
func kindFits(have, want string) error {
	if have == "any" || want == "any" {
		return nil
	}
	scalar := func(k string) bool { return k == "string" || k == "number" || k == "bool" }
	ok := scalar(have) && scalar(want)
	switch have {
	case "list":
		ok = want == "list" || want == "set" || want == "tuple"
	case "map":
		ok = want == "map" || want == "object"
	}
	if have == "number" && want == "bool" || have == "bool" && want == "number" {
		ok = false
	}
	if !ok {
		return fmt.Errorf("the expression gives a %s; it must be %s", have, typeWords(want))
	}
	return nil
}
