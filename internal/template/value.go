package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/berthdev/berth/internal/template/bundle"
)

const (
	maxValueLength = 256 << 10
	maxHCLLength   = 64 << 10
)

// errNull is an input that holds no value; it counts as not given.
var errNull = errors.New("no value")

// parseValue reads the text of a value and converts it to a type. The value type
// must not be Expression. The error is a fix in words, without the name.
func parseValue(vt ValueType, text string, want bundle.Constraint, kind string) (cty.Value, error) {
	if len(text) > maxValueLength {
		return cty.NilVal, fmt.Errorf("must not be longer than %d kB", maxValueLength>>10)
	}
	raw, err := readValue(vt, text, kind)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := convertValue(raw, want, kind)
	if err != nil {
		return cty.NilVal, err
	}
	return v, checkNumbers(v)
}

// checkNumbers refuses numbers whose plain form would be absurdly long: writing
// 1e999999999 takes a gigabyte.
func checkNumbers(v cty.Value) error {
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

// readValue reads the text of a value without converting it.
func readValue(vt ValueType, text, kind string) (cty.Value, error) {
	v, err := readRaw(vt, text, kind)
	if err != nil {
		return cty.NilVal, err
	}
	return v, checkNumbers(v)
}

func readRaw(vt ValueType, text, kind string) (cty.Value, error) {
	switch vt {
	case JSON:
		return readJSON(text)
	case HCL:
		return readHCL(text)
	case Text, "":
		switch kind {
		case "number", "bool":
			return cty.StringVal(strings.TrimSpace(text)), nil
		case "list", "set", "map", "object", "tuple":
			if strings.TrimSpace(text) == "" {
				return cty.NilVal, fmt.Errorf("must be %s; it is empty", typeWords(kind))
			}
			v, err := readHCL(text)
			if err != nil {
				return cty.NilVal, fmt.Errorf("must be %s", typeWords(kind))
			}
			return v, nil
		}
		return cty.StringVal(text), nil
	case Expression:
		return cty.NilVal, errors.New("an expression has no value yet")
	}
	return cty.NilVal, fmt.Errorf("has the unknown value type %q; use text, expression, json or hcl", vt)
}

func readJSON(text string) (cty.Value, error) {
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

// readHCL reads a literal HCL value. Functions, references, loops and
// conditions are refused: a value must not be able to do anything.
func readHCL(text string) (cty.Value, error) {
	if len(text) > maxHCLLength {
		return cty.NilVal, fmt.Errorf("must not be longer than %d kB in HCL; use JSON for more", maxHCLLength>>10)
	}
	if bundle.TooDeep([]byte(text)) {
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

// convertValue converts a value to a variable's type.
func convertValue(v cty.Value, want bundle.Constraint, kind string) (cty.Value, error) {
	if v.IsNull() {
		return cty.NilVal, errNull
	}
	if err := sameShape(v, kind); err != nil {
		return cty.NilVal, err
	}
	// The type keeps its optional attributes here: converting fills in nulls for them.
	out, err := convert.Convert(want.Apply(v), want.Type)
	if err != nil {
		return cty.NilVal, conversionError(err, kind)
	}
	if out.IsNull() {
		return cty.NilVal, errNull
	}
	return out, nil
}

// sameShape refuses conversions that cty allows but a person did not mean.
func sameShape(v cty.Value, kind string) error {
	t := v.Type()
	if t.IsPrimitiveType() || t == cty.DynamicPseudoType {
		return nil
	}
	switch kind {
	case "string", "number", "bool":
		return fmt.Errorf("must be %s", typeWords(kind))
	}
	return nil
}

func conversionError(err error, kind string) error {
	if kind == "string" || kind == "number" || kind == "bool" {
		return fmt.Errorf("must be %s", typeWords(kind))
	}
	var path cty.PathError
	if errors.As(err, &path) && len(path.Path) > 0 {
		return fmt.Errorf("must be %s: at %s, %s", typeWords(kind), pathText(path.Path), path.Error())
	}
	return fmt.Errorf("must be %s: %w", typeWords(kind), err)
}

func pathText(p cty.Path) string {
	var out strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case cty.GetAttrStep:
			out.WriteString("." + s.Name)
		case cty.IndexStep:
			if s.Key.Type() == cty.Number {
				i, _ := s.Key.AsBigFloat().Int64()
				fmt.Fprintf(&out, "[%d]", i)
			} else if s.Key.Type() == cty.String {
				fmt.Fprintf(&out, "[%q]", s.Key.AsString())
			}
		}
	}
	return strings.TrimPrefix(out.String(), ".")
}

func typeWords(kind string) string {
	switch kind {
	case "number":
		return "a number"
	case "bool":
		return "true or false"
	case "list", "set", "tuple":
		return `a list, like ["a","b"]`
	case "map":
		return `a map, like {"key":"value"}`
	case "object":
		return `an object, like {"key":"value"}`
	}
	return "text"
}

// toJSON writes a known value as JSON.
func toJSON(v cty.Value) (json.RawMessage, error) {
	out, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil, fmt.Errorf("writing value as JSON: %w", err)
	}
	return out, nil
}

func fromJSON(raw json.RawMessage) (cty.Value, error) {
	ty, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(raw, ty)
}

// sameJSON compares two JSON texts by value.
func sameJSON(a, b json.RawMessage) bool {
	va, errA := fromJSON(a)
	vb, errB := fromJSON(b)
	if errA != nil || errB != nil {
		return bytes.Equal(a, b)
	}
	return va.RawEquals(vb)
}

// shown is a value as a person may have entered it, short enough for a message.
func shown(text string) string {
	const most = 60
	text = strings.TrimSpace(text)
	if text == "" {
		return "nothing"
	}
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return text
}
