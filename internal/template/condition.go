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
func readConditions(v *bundle.Variable, functions map[string]function.Function) ([]condition, Limits, []cty.Value) {
	var out []condition
	var limits Limits
	var choices []cty.Value
	for _, val := range v.Validations {
		e, diags := hclsyntax.ParseExpression([]byte(val.Condition), "condition", hcl.InitialPos)
		if diags.HasErrors() || !evaluable(e, functions) {
			continue
		}
		d := &deriver{variable: v.Name, limits: &limits}
		plain := d.derive(e)
		if d.choices != nil {
			choices = d.choices
		}
		out = append(out, condition{expr: e, message: strings.TrimSpace(val.Message), plain: plain})
	}
	return out, limits, choices
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
// "and". What it does not understand it leaves alone.
type deriver struct {
	variable string
	limits   *Limits
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
	if d.isVariable(subject) {
		return d.limit(op, n)
	}
	if call, ok := subject.(*hclsyntax.FunctionCallExpr); ok && call.Name == "length" && len(call.Args) == 1 && d.isVariable(call.Args[0]) {
		return d.lengthLimit(op, int(n))
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

func (d *deriver) limit(op *hclsyntax.Operation, n float64) bool {
	switch op {
	case hclsyntax.OpGreaterThanOrEqual:
		d.limits.Min = &n
	case hclsyntax.OpLessThanOrEqual:
		d.limits.Max = &n
	default:
		return false // an open bound has no place in the limits; the condition still checks it
	}
	return true
}

func (d *deriver) lengthLimit(op *hclsyntax.Operation, n int) bool {
	up, down := n+1, n-1
	switch op {
	case hclsyntax.OpGreaterThanOrEqual:
		d.limits.MinLength = &n
	case hclsyntax.OpGreaterThan:
		d.limits.MinLength = &up
	case hclsyntax.OpLessThanOrEqual:
		d.limits.MaxLength = &n
	case hclsyntax.OpLessThan:
		d.limits.MaxLength = &down
	default:
		return false
	}
	return true
}

// integerTest matches floor(var.x) == var.x, either way round.
func (d *deriver) integerTest(x *hclsyntax.BinaryOpExpr) bool {
	for _, pair := range [][2]hclsyntax.Expression{{x.LHS, x.RHS}, {x.RHS, x.LHS}} {
		call, ok := pair[0].(*hclsyntax.FunctionCallExpr)
		if ok && (call.Name == "floor" || call.Name == "ceil") && len(call.Args) == 1 && d.isVariable(call.Args[0]) && d.isVariable(pair[1]) {
			d.limits.Integer = true
			return true
		}
	}
	return false
}

func (d *deriver) call(x *hclsyntax.FunctionCallExpr) bool {
	switch {
	case x.Name == "contains" && len(x.Args) == 2 && d.isVariable(x.Args[1]):
		v, diags := x.Args[0].Value(nil)
		if diags.HasErrors() || !v.CanIterateElements() || v.LengthInt() == 0 {
			return false
		}
		d.choices = v.AsValueSlice()
		return !slices.ContainsFunc(d.choices, func(c cty.Value) bool { return c.IsNull() || !c.Type().IsPrimitiveType() })
	case x.Name == "can" && len(x.Args) == 1:
		call, ok := x.Args[0].(*hclsyntax.FunctionCallExpr)
		if !ok || call.Name != "regex" || len(call.Args) != 2 || !d.isVariable(call.Args[1]) {
			return false
		}
		v, diags := call.Args[0].Value(nil)
		if !diags.HasErrors() && v.Type() == cty.String && d.limits.Pattern == "" {
			d.limits.Pattern = v.AsString()
		}
		return false // a pattern is no message for a person; the module's own is better
	}
	return false
}

func (d *deriver) isVariable(e hclsyntax.Expression) bool {
	if p, ok := e.(*hclsyntax.ParenthesesExpr); ok {
		return d.isVariable(p.Expression)
	}
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(t.Traversal) != 2 || t.Traversal.RootName() != "var" {
		return false
	}
	attr, ok := t.Traversal[1].(hcl.TraverseAttr)
	return ok && attr.Name == d.variable
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
