// Package expr is Berth's one expression language: CEL between $( and )$. It
// compiles the text of a variable, tells which outputs of which resources it
// uses, and evaluates it. A text that is one expression keeps that expression's
// type; expressions inside other text become text.
//
// It must not know templates, databases or runs; what an expression may read is
// handed in as a Scope.
package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

// Limits on what one text may cost.
const (
	maxLength = 8 << 10
	maxCost   = 1_000_000
	maxResult = 1 << 20
)

// Environment is what an expression sees of the environment it runs in.
type Environment struct {
	ID         string
	Name       string
	UniqueName string
	Project    string
	Template   string
	Version    string
}

// User is the person who asked for the run.
type User struct {
	Email string
}

// Output is one output of a resource.
type Output struct {
	Value     json.RawMessage
	Sensitive bool
}

// Scope is everything an expression may read. Outputs is by resource, then by
// output; Nested is the same for each other environment that is used as a resource.
// What is missing is unknown.
type Scope struct {
	Environment Environment
	User        User
	Outputs     map[string]map[string]Output
	Nested      map[string]map[string]map[string]Output
}

// Reference is one use of an output: of a resource or, with Inner, of the resource
// of that name in another environment, which Resource stands for.
type Reference struct {
	Resource string `json:"resource"`
	Inner    string `json:"inner,omitempty"`
	Output   string `json:"output"`
}

// String writes the reference as in an expression.
func (r Reference) String() string {
	if r.Inner != "" {
		return fmt.Sprintf("resource[%q].resource[%q].output.%s", r.Resource, r.Inner, r.Output)
	}
	return fmt.Sprintf("resource[%q].output.%s", r.Resource, r.Output)
}

func (s Scope) output(r Reference) (Output, bool) {
	outputs := s.Outputs[r.Resource]
	if r.Inner != "" {
		outputs = s.Nested[r.Resource][r.Inner]
	}
	out, ok := outputs[r.Output]
	return out, ok
}

// UnknownError lists outputs that an expression needs and the scope lacks.
type UnknownError struct {
	References []Reference
}

func (e *UnknownError) Error() string {
	names := make([]string, len(e.References))
	for i, r := range e.References {
		names[i] = r.String()
	}
	return "not known yet: " + strings.Join(names, ", ")
}

// SyntaxError says what is wrong with an expression and where in the text.
type SyntaxError struct {
	Expression string
	Message    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the expression $(%s)$ is wrong: %s", e.Expression, e.Message)
}

// Language compiles expressions. Make one and keep it: it is safe for use by
// many goroutines, and dear to build.
type Language struct {
	env *cel.Env
}

// New builds the language.
func New() (*Language, error) {
	opts := []cel.EnvOption{
		cel.Variable("resource", cel.MapType(cel.StringType, cel.DynType)),
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(),
		ext.Math(),
	}
	for _, name := range Names() {
		opts = append(opts, cel.Variable(name, cel.StringType))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("building expression language: %w", err)
	}
	return &Language{env: env}, nil
}

// Names are the single values that an expression can use. They are declared one by
// one, so that a misspelt one is found when a template is saved and not when it runs.
func Names() []string {
	return []string{
		"environment.id", "environment.name", "environment.uniqueName", "environment.project",
		"environment.template", "environment.version", "user.email",
	}
}

func (s Scope) scalars() map[string]any {
	e := s.Environment
	return map[string]any{
		"environment.id": e.ID, "environment.name": e.Name, "environment.uniqueName": e.UniqueName,
		"environment.project": e.Project, "environment.template": e.Template, "environment.version": e.Version,
		"user.email": s.User.Email,
	}
}

// Expression is a compiled text.
type Expression struct {
	text  string
	parts []part
	refs  []Reference
}

// part is literal text, or one program when program is set.
type part struct {
	literal string
	source  string
	program cel.Program
	refs    []Reference
	alone   bool // it is one reference and nothing else
	kind    string
}

// Contains reports whether a text holds an expression.
func Contains(text string) bool { return strings.Contains(text, "$(") }

// Compile parses and type-checks a text. The error is a *SyntaxError.
func (l *Language) Compile(text string) (*Expression, error) {
	if len(text) > maxLength {
		return nil, &SyntaxError{Expression: text[:20] + "…", Message: fmt.Sprintf("it is longer than %d bytes", maxLength)}
	}
	segments, err := split(text)
	if err != nil {
		return nil, err
	}
	e := &Expression{text: text}
	for _, s := range segments {
		p := part{literal: s.text}
		if s.code {
			if p, err = l.compile(s.text); err != nil {
				return nil, err
			}
		}
		e.parts = append(e.parts, p)
		for _, r := range p.refs {
			if !slices.Contains(e.refs, r) {
				e.refs = append(e.refs, r)
			}
		}
	}
	return e, nil
}

func (l *Language) compile(source string) (part, error) {
	fail := func(format string, args ...any) (part, error) {
		return part{}, &SyntaxError{Expression: strings.TrimSpace(source), Message: fmt.Sprintf(format, args...)}
	}
	if strings.TrimSpace(source) == "" {
		return fail("it is empty; write for example $(environment.name)$")
	}
	parsed, issues := l.env.Parse(rewrite(source))
	if issues.Err() != nil {
		return fail("%s", readable(issues))
	}
	refs, alone, err := references(parsed)
	if err != nil {
		return fail("%v", err)
	}
	checked, issues := l.env.Check(parsed)
	if issues.Err() != nil {
		return fail("%s", readable(issues))
	}
	program, err := l.env.Program(checked, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return fail("%v", err)
	}
	return part{source: source, program: program, refs: refs, alone: alone, kind: kindOf(checked.OutputType())}, nil
}

func kindOf(t *cel.Type) string {
	switch t.Kind() {
	case cel.StringKind:
		return "string"
	case cel.IntKind, cel.UintKind, cel.DoubleKind:
		return "number"
	case cel.BoolKind:
		return "bool"
	case cel.ListKind:
		return "list"
	case cel.MapKind:
		return "map"
	}
	return "any"
}

// Kind is the type of the value as far as it is known before evaluation: string,
// number, bool, list, map, or any.
func (e *Expression) Kind() string {
	if e.whole() {
		return e.parts[0].kind
	}
	return "string"
}

// whole reports whether the text is one expression and nothing else.
func (e *Expression) whole() bool { return len(e.parts) == 1 && e.parts[0].program != nil }

// Text returns the text the expression was compiled from.
func (e *Expression) Text() string { return e.text }

// References returns the outputs that the expression uses, each once.
func (e *Expression) References() []Reference { return slices.Clone(e.refs) }

// Reference returns the output whose value is the value of the whole text, if it is
// one: then the text has the type of the output.
func (e *Expression) Reference() (Reference, bool) {
	if !e.whole() || !e.parts[0].alone {
		return Reference{}, false
	}
	return e.parts[0].refs[0], true
}

// Result is an evaluated expression. It is sensitive when any output it used is.
type Result struct {
	Value     json.RawMessage
	Sensitive bool
}

// Eval evaluates the expression. When outputs are missing the error is an
// *UnknownError; nothing is evaluated then.
func (e *Expression) Eval(scope Scope) (Result, error) {
	var result Result
	var unknown []Reference
	for _, r := range e.refs {
		out, ok := scope.output(r)
		if !ok {
			unknown = append(unknown, r)
		}
		result.Sensitive = result.Sensitive || out.Sensitive
	}
	if len(unknown) > 0 {
		return Result{}, &UnknownError{References: unknown}
	}
	vars, err := e.activation(scope)
	if err != nil {
		return Result{}, err
	}
	var text strings.Builder
	for _, p := range e.parts {
		if p.program == nil {
			text.WriteString(p.literal)
			continue
		}
		v, err := p.eval(vars)
		if err != nil {
			return Result{}, err
		}
		if e.whole() {
			if result.Value, err = json.Marshal(v); err != nil {
				return Result{}, fmt.Errorf("writing the value of $(%s)$: %w", p.source, err)
			}
			return result, nil
		}
		text.WriteString(plainText(v))
		if text.Len() > maxResult {
			return Result{}, errors.New("the value of the expression is larger than 1 MB")
		}
	}
	result.Value, err = json.Marshal(text.String())
	return result, err
}

func (p part) eval(vars map[string]any) (any, error) {
	v, _, err := p.program.Eval(vars)
	if err != nil {
		return nil, fmt.Errorf("the expression $(%s)$ has no value: %w", p.source, err)
	}
	out, err := native(v)
	if err != nil {
		return nil, fmt.Errorf("the expression $(%s)$ has no value: %w", p.source, err)
	}
	return out, nil
}

func (e *Expression) activation(scope Scope) (map[string]any, error) {
	vars := scope.scalars()
	resources := map[string]any{}
	for _, r := range e.refs {
		out, _ := scope.output(r)
		value, err := decode(out.Value)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", r, err)
		}
		entry := within(resources, r.Resource)
		if r.Inner != "" {
			entry = within(within(entry, "resource"), r.Inner)
		}
		within(entry, "output")[r.Output] = value
	}
	vars["resource"] = resources
	return vars, nil
}

// within returns the map under a key, which it makes when there is none.
func within(m map[string]any, key string) map[string]any {
	inner, ok := m[key].(map[string]any)
	if !ok {
		inner = map[string]any{}
		m[key] = inner
	}
	return inner
}
