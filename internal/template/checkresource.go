package template

import (
	"fmt"

	goversion "github.com/hashicorp/go-version"

	"github.com/berthdev/berth/internal/template/bundle"
)

// checkResource finds what is wrong with a resource template by itself, by
// compiling it as the only resource of an environment template that offers all.
// Outputs of other resources are known only where it is used.
func (c *Compiler) checkResource(spec ResourceSpec, module *bundle.Module) []Problem {
	problems := append([]Problem{}, module.Problems...)
	out := &Compiled{compiler: c, Version: &EnvironmentVersion{}, byName: map[string]*boundInput{}, locked: map[string]string{}}
	node := &CompiledResource{Name: "resource", Version: &ResourceVersion{Spec: spec, Module: *module}}
	for i := range module.Variables {
		node.variables = append(node.variables, out.moduleVariable(&module.Variables[i], "spec.bundle"))
	}
	out.Resources = []*CompiledResource{node}
	seen := map[string]bool{}
	for i, v := range spec.Variables {
		path := fmt.Sprintf("spec.variables[%d]", i)
		if seen[v.Name] {
			out.problem(bundle.Error, path+".name", "variable %q is given twice", v.Name)
			continue
		}
		seen[v.Name] = true
		if len(v.Selectors) > 0 {
			out.problem(bundle.Error, path+".selectors", "variable %q: selectors belong into an environment template", v.Name)
		}
		m := node.variable(v.Name)
		if m == nil {
			out.problem(bundle.Error, path+".name", "the module has no variable %q%s", v.Name, suggest(v.Name, node.variableNames()))
			continue
		}
		m.resource = out.given(v, path)
		out.offer(m.resource, []target{{node, m}}, FromResourceTemplate)
	}
	for _, in := range out.inputs {
		out.addChoices(in)
	}
	out.checkStaticValues()
	if spec.Backend.Type == BackendCustom && module.Backend == "" {
		out.problem(bundle.Error, "spec.backend.type", "the backend type is custom, but the module declares no backend; add a backend block, or use system")
	}
	return append(problems, out.problems...)
}

func checkConstraint(text string) error {
	if text == "" {
		return nil
	}
	_, err := goversion.NewConstraint(text)
	return err
}
