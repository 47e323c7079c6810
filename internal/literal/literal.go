// Package literal reads values that people write as JSON or HCL. What it reads can
// do nothing: no functions, no references, nothing that costs a machine much.
//
// It must not know what a value is for.
package literal

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

const maxHCLLength = 64 << 10

// JSON reads one JSON value.
func JSON(text string) (cty.Value, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return cty.NilVal, errors.New(`must be valid JSON, like "text", 80, ["a","b"] or {"key":"value"}`)
	}
	if dec.More() {
		return cty.NilVal, errors.New("must be one JSON value; there is more text after it")
	}
	ty, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, fmt.Errorf("must be valid JSON: %w", err)
	}
	v, err := ctyjson.Unmarshal(raw, ty)
	if err != nil {
		return cty.NilVal, fmt.Errorf("must be valid JSON: %w", err)
	}
	return v, nil
}

// HCL reads a literal HCL value. Functions, references, loops and
// conditions are refused: a value must not be able to do anything.
func HCL(text string) (cty.Value, error) {
	if len(text) > maxHCLLength {
		return cty.NilVal, fmt.Errorf("must not be longer than %d kB in HCL; use JSON for more", maxHCLLength>>10)
	}
	if TooDeep([]byte(text)) {
		return cty.NilVal, errors.New("is nested too deep")
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		d := diags[0]
		return cty.NilVal, fmt.Errorf("must be valid HCL: %s (line %d)", strings.TrimSuffix(d.Summary, "."), d.Subject.Start.Line)
	}
	if bad := firstNonLiteral(e); bad != nil {
		return cty.NilVal, fmt.Errorf("must be a literal HCL value; functions, references and loops are not allowed (line %d)", bad.Range().Start.Line)
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("must be valid HCL: %s", strings.TrimSuffix(diags[0].Summary, "."))
	}
	return v, nil
}

func firstNonLiteral(e hclsyntax.Expression) hclsyntax.Node {
	var bad hclsyntax.Node
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		switch x := n.(type) {
		case *hclsyntax.LiteralValueExpr, *hclsyntax.TupleConsExpr, *hclsyntax.ObjectConsExpr, *hclsyntax.TemplateExpr,
			*hclsyntax.TemplateWrapExpr, *hclsyntax.ParenthesesExpr, hclsyntax.ChildScope:
		case *hclsyntax.ObjectConsKeyExpr:
			// A bare word as a key is text; the walk does not take it for a reference.
		case *hclsyntax.UnaryOpExpr:
			if x.Op != hclsyntax.OpNegate && bad == nil {
				bad = n
			}
		default:
			if bad == nil {
				bad = n
			}
		}
		return nil
	})
	return bad
}

// CheckNumbers refuses numbers whose plain form would be absurdly long: writing
// 1e999999999 takes a gigabyte.
func CheckNumbers(v cty.Value) error {
	const mostBits = 4096
	return cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.Number {
			f := v.AsBigFloat()
			if e := f.MantExp(nil); f.IsInf() || e > mostBits || e < -mostBits {
				return false, errors.New("must not hold a number that large or small")
			}
		}
		return true, nil
	})
}

// TooDeep reports whether HCL is nested so deep that parsing it would exhaust the
// stack, which would end the whole program: brackets, or signs in a row.
func TooDeep(src []byte) bool {
	const most = 500
	depth, signs := 0, 0
	for _, c := range src {
		switch c {
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			depth--
		}
		switch c {
		case '-', '!':
			signs++
		case ' ', '\t', '\n', '\r':
		default:
			signs = 0
		}
		if depth > most || signs > most {
			return true
		}
	}
	return false
}
