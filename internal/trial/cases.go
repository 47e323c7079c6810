package trial

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
)

// file is the content of a berth.test.yaml.
type file struct {
	Cases []Case `json:"cases"`
}

// Case is one environment to make of a template, and what is expected of it. docs/testing-templates.md describes the fields.
type Case struct {
	Name            string         `json:"name"`
	Template        string         `json:"template"`
	Version         string         `json:"version"`
	Inputs          map[string]any `json:"inputs"`
	AllowDrift      bool           `json:"allowDrift"`
	OptionalOutputs []string       `json:"optionalOutputs"`
	Expect          Expectations   `json:"expect"`
}

// Expectations are what must hold once the environment is deployed, or, with Failure, how the deploy must fail.
type Expectations struct {
	Outputs  []OutputCheck  `json:"outputs"`
	Endpoint *EndpointCheck `json:"endpoint"`
	Failure  *FailureCheck  `json:"failure"`
}

// OutputCheck is about one output, RESOURCE.NAME. Without a comparison the output must exist.
type OutputCheck struct {
	Name    string `json:"name"`
	Equals  any    `json:"equals"`
	Matches string `json:"matches"`
	Exists  *bool  `json:"exists"`
}

// EndpointCheck is about the answer at the environment's address.
type EndpointCheck struct {
	Status   int    `json:"status"`
	Contains string `json:"contains"`
}

// FailureCheck is about the error of an environment that must not work.
type FailureCheck struct {
	Message string `json:"message"`
}

// errCases is the fault of a berth.test.yaml that cannot be used.
var errCases = fault.New(fault.Invalid, "bad_test_file", "The test file cannot be used.")

// readCases reads the file beside a document; none is no error.
func readCases(dir string) ([]Case, error) {
	name := filepath.Join(dir, manifest.TestFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errCases.With("%s cannot be read: %s.", name, err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, errCases.With("%s: %s", name, err)
	}
	dec := json.NewDecoder(bytes.NewReader(asJSON))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	var f file
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, errCases.With("%s: %s", name, err)
	}
	seen := map[string]bool{}
	for i, c := range f.Cases {
		if err := c.check(); err != nil {
			return nil, errCases.With("%s: cases[%d]: %s", name, i, err)
		}
		key := c.Template + "\x00" + c.Version + "\x00" + c.Name
		if seen[key] {
			return nil, errCases.With("%s: cases[%d]: there is another case of the name %q", name, i, c.Name)
		}
		seen[key] = true
	}
	return f.Cases, nil
}

func (c Case) check() error {
	if c.Name == "" {
		return errors.New("name is missing")
	}
	for i, o := range c.Expect.Outputs {
		if resource, name, ok := strings.Cut(o.Name, "."); !ok || resource == "" || name == "" {
			return fmt.Errorf("expect.outputs[%d].name must be RESOURCE.OUTPUT, not %q", i, o.Name)
		}
		if _, err := regexp.Compile(o.Matches); err != nil {
			return fmt.Errorf("expect.outputs[%d].matches: %w", i, err)
		}
	}
	if c.Expect.Failure != nil && (len(c.Expect.Outputs) > 0 || c.Expect.Endpoint != nil) {
		return errors.New("expect.failure excludes what is expected of a deploy that works")
	}
	return nil
}

// variables are the inputs of the case with those of the command line, which win.
func (c Case) variables(more map[string]any) ([]api.Variable, error) {
	all := map[string]any{}
	for k, v := range c.Inputs {
		all[k] = v
	}
	for k, v := range more {
		all[k] = v
	}
	var out []api.Variable
	for name, v := range all {
		one := api.Variable{Name: name, ValueType: "text"}
		text, plain := v.(string)
		if !plain {
			raw, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("writing the input %s: %w", name, err)
			}
			text = string(raw)
			if text[0] == '[' || text[0] == '{' || text == "null" {
				one.ValueType = "json"
			}
		}
		one.Value = &text
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b api.Variable) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// compare says what is wrong with an output, or nothing.
func (o OutputCheck) compare(have api.Output, exists bool) string {
	if o.Exists != nil && !*o.Exists {
		if exists {
			return fmt.Sprintf("output %s exists, and must not", o.Name)
		}
		return ""
	}
	if !exists {
		return fmt.Sprintf("output %s does not exist", o.Name)
	}
	shown := string(have.Value)
	if have.Sensitive {
		shown = "(sensitive)"
	}
	if o.Equals != nil {
		want, err := json.Marshal(o.Equals)
		if err != nil || !sameJSON(want, have.Value) {
			return fmt.Sprintf("output %s is %s, and must be %s", o.Name, shown, want)
		}
	}
	if o.Matches != "" {
		text := string(have.Value)
		var plain string
		if json.Unmarshal(have.Value, &plain) == nil {
			text = plain
		}
		if !regexp.MustCompile(o.Matches).MatchString(text) {
			return fmt.Sprintf("output %s is %s, which does not match %q", o.Name, shown, o.Matches)
		}
	}
	return ""
}

func sameJSON(a, b []byte) bool {
	normal := func(text []byte) string {
		var v any
		if json.Unmarshal(text, &v) != nil {
			return string(text)
		}
		out, err := json.Marshal(v)
		if err != nil {
			return string(text)
		}
		return string(out)
	}
	return normal(a) == normal(b)
}
