package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/literal"
)

func (c *Compiled) convertAll(r *readValueOf) error {
	if len(r.targets) == 0 {
		_, err := readValue(r.ValueType, r.Value.Value, "any")
		return r.explain(err, "")
	}
	for _, t := range r.targets {
		v, err := r.convert(t.variable)
		if err != nil {
			return err
		}
		r.converted = append(r.converted, v)
	}
	return nil
}

// convert makes the value what a variable takes, or says which part does not fit.
func (r *readValueOf) convert(m *moduleVariable) (cty.Value, error) {
	text := r.Value.Value
	if len(text) > maxValueLength {
		return cty.NilVal, fmt.Errorf("must not be longer than %d kB", maxValueLength>>10)
	}
	raw, err := readValue(r.ValueType, text, m.Type.Kind)
	if err != nil {
		return cty.NilVal, r.explain(err, requirementOf(r.input, m))
	}
	check := &partCheck{strict: r.ValueType == JSON, secret: r.sensitive(), limits: m.parts}
	if !m.Type.Scalar() || check.strict {
		check.walk(raw, m.Type, "", "")
	}
	if len(check.wrong) > 0 && check.wrong[0].Path != "" {
		return cty.NilVal, check.wrong
	}
	v, err := convertValue(raw, m.constraint, m.Type.Kind)
	if err == nil {
		err = literal.CheckNumbers(v)
	}
	if err == nil && len(check.wrong) > 0 {
		err = errors.New("must be " + typeWords(m.Type.Kind))
	}
	if err != nil {
		return cty.NilVal, r.explain(err, requirementOf(r.input, m))
	}
	if r.input != nil && len(r.input.Choices) > 0 {
		if err := r.input.checkChoice(v); err != nil {
			if _, parts := errors.AsType[wrongParts](err); parts {
				return cty.NilVal, err
			}
			return cty.NilVal, r.explain(err, "")
		}
	}
	return v, nil
}

// checkChoice says what is wrong with a value of a choice list, if anything is.
func (b *boundInput) checkChoice(v cty.Value) error {
	if !b.MultiSelect {
		if !b.hasChoice(v) {
			return errors.New(b.requirement())
		}
		return nil
	}
	if !isList(v) {
		return errors.New(b.requirement())
	}
	var wrong wrongParts
	var seen []cty.Value
	for i, item := range v.AsValueSlice() {
		at := fmt.Sprintf("[%d]", i)
		switch {
		case !b.hasChoice(item):
			message := strings.Replace(b.requirement(), "a list of any", "one", 1)
			if !b.Sensitive {
				message += "; you entered " + shown(valueText(item))
			}
			wrong = append(wrong, fault.Field{Path: at, Message: message})
		case slices.ContainsFunc(seen, func(other cty.Value) bool { return other.RawEquals(item) }):
			wrong = append(wrong, fault.Field{Path: at, Message: "is in the list already; remove one"})
		}
		seen = append(seen, item)
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

func (b *boundInput) hasChoice(v cty.Value) bool {
	raw, err := toJSON(v)
	return err == nil && slices.ContainsFunc(b.Choices, func(c Choice) bool { return sameJSON(c.Value, raw) })
}
