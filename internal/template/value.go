package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/berthdev/berth/internal/literal"
	"github.com/berthdev/berth/internal/template/bundle"
)

const maxValueLength = 256 << 10

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
	return v, literal.CheckNumbers(v)
}

// readValue reads the text of a value without converting it.
func readValue(vt ValueType, text, kind string) (cty.Value, error) {
	v, err := readRaw(vt, text, kind)
	if err != nil {
		return cty.NilVal, err
	}
	return v, literal.CheckNumbers(v)
}

func readRaw(vt ValueType, text, kind string) (cty.Value, error) {
	switch vt {
	case JSON:
		return literal.JSON(text)
	case HCL:
		return literal.HCL(text)
	case Text, "":
		switch kind {
		case "number", "bool":
			return cty.StringVal(strings.TrimSpace(text)), nil
		case "list", "set", "map", "object", "tuple":
			if strings.TrimSpace(text) == "" {
				return cty.NilVal, fmt.Errorf("must be %s; it is empty", typeWords(kind))
			}
			v, err := literal.HCL(text)
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

// convertValue converts a value to a variable's type.
func convertValue(v cty.Value, want bundle.Constraint, kind string) (cty.Value, error) {
	if v.IsNull() {
		return cty.NilVal, errNull
	}
	if err := sameShape(v, kind); err != nil {
		return cty.NilVal, err
	}
	out, err := convert.Convert(want.Apply(v), want.Type.WithoutOptionalAttributesDeep())
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
