package template

import (
	"maps"
	"slices"
	"strconv"

	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/expr"
)

// Available is one thing that an expression of a template can use.
type Available struct {
	Expression string // resource["vpc"].output.id
	Node       string // whose output it is; empty for what every environment has
	Sensitive  bool
}

// Available lists what the expressions of the version can use, as far as it is known:
// of another environment, what it gives as it is deployed now.
func (c *Compiled) Available() []Available {
	var out []Available
	for _, name := range expr.Names() {
		out = append(out, Available{Expression: name})
	}
	for _, r := range c.Resources {
		for _, o := range r.Version.Module.Outputs {
			out = append(out, Available{Expression: outputOf(r.Name, o.Name), Node: r.Name, Sensitive: o.Sensitive})
		}
	}
	for _, u := range c.Upstreams {
		for _, o := range u.outputs {
			out = append(out, Available{Expression: outputOf(u.Name, o.Name), Node: u.Name, Sensitive: o.Sensitive})
		}
		for _, inner := range slices.Sorted(maps.Keys(u.nested)) {
			for _, o := range u.nested[inner] {
				out = append(out, Available{Expression: "resource[" + strconv.Quote(u.Name) + "]." + outputOf(inner, o), Node: u.Name})
			}
		}
	}
	return out
}

func outputOf(node, output string) string {
	return "resource[" + strconv.Quote(node) + "].output." + output
}

// ModuleVariable is a variable of one of the modules of a version. Given says that
// its resource template gives it a value, or that the module has a default.
type ModuleVariable struct {
	bundle.Variable
	Resource string
	Given    bool
}

// ModuleVariables lists the variables of all modules of the version.
func (c *Compiled) ModuleVariables() []ModuleVariable {
	var out []ModuleVariable
	for _, r := range c.Resources {
		for _, m := range r.variables {
			given := m.HasDefault || m.resource != nil && m.resource.Value != nil
			out = append(out, ModuleVariable{Variable: *m.Variable, Resource: r.Name, Given: given})
		}
	}
	return out
}
