package template

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/berthdev/berth/internal/template/bundle"
)

// condition is one validation block that Berth can evaluate by itself.
type condition struct {
	expr    hclsyntax.Expression
	message string
	// plain holds when the derived limits and choices say all that the condition
	// says, so that our own words are better than the module's.
	plain bool
}

// readConditions parses a variable's validation blocks and derives what a form
// can check. A block that uses a function we lack, or anything but variables, is
// left to tofu.
func readConditions(v *bundle.Variable, functions map[string]function.Function) ([]condition, Limits, map[string]Limits, []cty.Value) {
	var out []condition
	limits := map[string]Limits{}
	var choices []cty.Value
	for _, val := range v.Validations {
		e, diags := hclsyntax.ParseExpression([]byte(val.Condition), "condition", hcl.InitialPos)
		if diags.HasErrors() || !evaluable(e, functions) {
			continue
		}
		d := &deriver{variable: v.Name, limits: limits}
		plain := d.derive(e)
		if d.choices != nil {
			choices = d.choices
		}
		out = append(out, condition{expr: e, message: strings.TrimSpace(val.Message), plain: plain})
	}
	whole := limits[""]
	delete(limits, "")
	return out, whole, limits, choices
}

// evaluable reports whether we know every function and every name. This must be
// asked before evaluating: inside can() an unknown function would be a "no".
func evaluable(e hclsyntax.Expression, functions map[string]function.Function) bool {
	ok := true
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, is := n.(*hclsyntax.FunctionCallExpr); is {
			if _, known := functions[call.Name]; !known {
				ok = false
			}
		}
		return nil
	})
	for _, t := range e.Variables() {
		if t.RootName() != "var" {
			ok = false
		}
	}
	return ok
}

// holds evaluates a condition. The second result is false when it cannot be
// evaluated here.
func (c condition) holds(vars cty.Value, functions map[string]function.Function) (holds, known bool) {
	v, diags := c.expr.Value(&hcl.EvalContext{
		Variables: map[string]cty.Value{"var": vars},
		Functions: functions,
	})
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() || v.Type() != cty.Bool {
		return false, false
	}
	return v.True(), true
}

// deriver reads limits from a condition that is made of simple tests joined by
// "and". What it does not understand it leaves alone. Limits are kept by the part
// of the variable they are about: "" is the whole of it, ".port" an attribute and
// "[]" every element.
type deriver struct {
	variable string
	element  string // the name of an element, inside alltrue([for ...])
	within   string // the part that element stands for
	limits   map[string]Limits
	choices  []cty.Value
}

// derive reports whether it understood the whole expression.
func (d *deriver) derive(e hclsyntax.Expression) bool {
	switch x := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return d.derive(x.Expression)
	case *hclsyntax.BinaryOpExpr:
		if x.Op == hclsyntax.OpLogicalAnd {
			left, right := d.derive(x.LHS), d.derive(x.RHS)
			return left && right
		}
		return d.compare(x)
	case *hclsyntax.FunctionCallExpr:
		return d.call(x)
	}
	return false
}

func (d *deriver) compare(x *hclsyntax.BinaryOpExpr) bool {
	op, subject, bound := x.Op, x.LHS, x.RHS
	if _, ok := number(subject); ok {
		subject, bound = bound, subject
		op = mirrored(op)
	}
	n, ok := number(bound)
	if !ok {
		return op == hclsyntax.OpEqual && d.integerTest(x)
	}
	if part, ok := d.part(subject); ok {
		return d.limit(part, op, n)
	}
	if call, ok := subject.(*hclsyntax.FunctionCallExpr); ok && call.Name == "length" && len(call.Args) == 1 {
		if part, ok := d.part(call.Args[0]); ok {
			return d.lengthLimit(part, op, int(n))
		}
	}
	return false
}

func mirrored(op *hclsyntax.Operation) *hclsyntax.Operation {
	switch op {
	case hclsyntax.OpLessThan:
		return hclsyntax.OpGreaterThan
	case hclsyntax.OpLessThanOrEqual:
		return hclsyntax.OpGreaterThanOrEqual
	case hclsyntax.OpGreaterThan:
		return hclsyntax.OpLessThan
	case hclsyntax.OpGreaterThanOrEqual:
		return hclsyntax.OpLessThanOrEqual
	}
	return op
}

func (d *deriver) limit(part string, op *hclsyntax.Operation, n float64) bool {
	l := d.limits[part]
	switch op {
	case hclsyntax.OpGreaterThanOrEqual:
		l.Min = &n
	case hclsyntax.OpLessThanOrEqual:
		l.Max = &n
	default:
		return false // an open bound has no place in the limits; the condition still checks it
	}
	d.limits[part] = l
	return true
}

func (d *deriver) lengthLimit(part string, op *hclsyntax.Operation, n int) bool {
	up, down := n+1, n-1
	l := d.limits[part]
	switch op {
	case hclsyntax.OpGreaterThanOrEqual:
		l.MinLength = &n
	case hclsyntax.OpGreaterThan:
		l.MinLength = &up
	case hclsyntax.OpLessThanOrEqual:
		l.MaxLength = &n
	case hclsyntax.OpLessThan:
		l.MaxLength = &down
	default:
		return false
	}
	d.limits[part] = l
	return true
}

// integerTest matches floor(var.x) == var.x, either way round.
func (d *deriver) integerTest(x *hclsyntax.BinaryOpExpr) bool {
	for _, pair := range [][2]hclsyntax.Expression{{x.LHS, x.RHS}, {x.RHS, x.LHS}} {
		call, ok := pair[0].(*hclsyntax.FunctionCallExpr)
		if !ok || call.Name != "floor" && call.Name != "ceil" || len(call.Args) != 1 {
			continue
		}
		a, okA := d.part(call.Args[0])
		b, okB := d.part(pair[1])
		if okA && okB && a == b {
			l := d.limits[a]
			l.Integer = true
			d.limits[a] = l
			return true
		}
	}
	return false
}

func (d *deriver) call(x *hclsyntax.FunctionCallExpr) bool {
	switch {
	case x.Name == "contains" && len(x.Args) == 2:
		part, ok := d.part(x.Args[1])
		return ok && d.oneOf(part, x.Args[0])
	case x.Name == "can" && len(x.Args) == 1:
		call, ok := x.Args[0].(*hclsyntax.FunctionCallExpr)
		if !ok || call.Name != "regex" || len(call.Args) != 2 {
			return false
		}
		part, ok := d.part(call.Args[1])
		if !ok {
			return false
		}
		v, diags := call.Args[0].Value(nil)
		if l := d.limits[part]; !diags.HasErrors() && v.Type() == cty.String && l.Pattern == "" {
			l.Pattern = v.AsString()
			d.limits[part] = l
		}
		return false // a pattern is no message for a person; the module's own is better
	case x.Name == "alltrue" && len(x.Args) == 1:
		loop, ok := x.Args[0].(*hclsyntax.ForExpr)
		return ok && d.loop(loop)
	}
	return false
}

// loop reads [for x in var.list : ...], whose test holds for every element.
func (d *deriver) loop(x *hclsyntax.ForExpr) bool {
	part, ok := d.part(x.CollExpr)
	if !ok || x.KeyExpr != nil || x.CondExpr != nil {
		return false
	}
	inner := &deriver{variable: d.variable, element: x.ValVar, within: part + "[]", limits: d.limits}
	return inner.derive(x.ValExpr)
}

func (d *deriver) oneOf(part string, list hclsyntax.Expression) bool {
	v, diags := list.Value(nil)
	if diags.HasErrors() || !v.CanIterateElements() || v.LengthInt() == 0 {
		return false
	}
	values := v.AsValueSlice()
	plain := !slices.ContainsFunc(values, func(c cty.Value) bool { return c.IsNull() || !c.Type().IsPrimitiveType() })
	if part == "" {
		d.choices = values
		return plain
	}
	if !plain {
		return false
	}
	l := d.limits[part]
	l.Choices = nil
	for _, v := range values {
		raw, err := toJSON(v)
		if err != nil {
			return false
		}
		l.Choices = append(l.Choices, raw)
	}
	d.limits[part] = l
	return true
}

// part says which part of the variable an expression is: var.x is all of it,
// var.x.port an attribute, and so on inside a loop.
func (d *deriver) part(e hclsyntax.Expression) (string, bool) {
	if p, ok := e.(*hclsyntax.ParenthesesExpr); ok {
		return d.part(p.Expression)
	}
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return "", false
	}
	var out string
	rest := t.Traversal[1:]
	switch {
	case d.element != "" && t.Traversal.RootName() == d.element:
		out = d.within
	case t.Traversal.RootName() == "var" && len(rest) > 0 && attributeName(rest[0]) == d.variable && d.element == "":
		rest = rest[1:]
	default:
		return "", false
	}
	for _, step := range rest {
		name := attributeName(step)
		if name == "" {
			return "", false
		}
		out += "." + name
	}
	return out, true
}

func number(e hclsyntax.Expression) (float64, bool) {
	if len(e.Variables()) > 0 {
		return 0, false
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.Number {
		return 0, false
	}
	f, _ := v.AsBigFloat().Float64()
	return f, true
}

func attributeName(t hcl.Traverser) string {
	if a, ok := t.(hcl.TraverseAttr); ok {
		return a.Name
	}
	return ""
}
