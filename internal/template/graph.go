package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/berthdev/berth/internal/sharing"
	"github.com/berthdev/berth/internal/template/bundle"
)

// Graph is the nodes of a version and how they depend on each other.
type Graph struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Node is one node. Template, Version, Provider and Outputs tell of a resource
// template; Static and Environment name what a node of those kinds stands for.
type Node struct {
	Name        string       `json:"name"`
	Kind        ResourceKind `json:"kind"`
	Template    string       `json:"template,omitempty"`
	Version     string       `json:"version,omitempty"`
	Provider    ProviderName `json:"provider,omitempty"`
	Static      string       `json:"static,omitempty"`
	Environment string       `json:"environment,omitempty"`
	Outputs     []string     `json:"outputs"`
}

// Edge says that To waits for From.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Graph returns the nodes and their dependencies, in the order of the template.
func (c *Compiled) Graph() Graph {
	g := Graph{Nodes: []Node{}, Edges: []Edge{}}
	for i := range c.Version.Spec.Resources {
		for _, u := range c.Upstreams {
			if u.index == i {
				g.add(Node{Name: u.Name, Kind: u.Kind, Static: u.Static, Environment: u.Environment, Outputs: u.outputNames()}, u.DependsOn)
			}
		}
		for _, r := range c.Resources {
			if r.index == i {
				g.add(Node{
					Name: r.Name, Kind: KindResourceTemplate, Template: r.Version.Template, Version: r.Version.Version,
					Provider: r.Version.Spec.Provider.Name, Outputs: r.outputNames(),
				}, r.DependsOn)
			}
		}
	}
	return g
}

func (g *Graph) add(n Node, dependsOn []string) {
	g.Nodes = append(g.Nodes, n)
	for _, d := range dependsOn {
		g.Edges = append(g.Edges, Edge{From: d, To: n.Name})
	}
}

func (r *CompiledResource) outputNames() []string {
	out := []string{}
	for _, o := range r.Version.Module.Outputs {
		out = append(out, o.Name)
	}
	return out
}

// addNodes makes the nodes of the graph, and the dependencies that the template lists.
func (c *Compiled) addNodes(in Surroundings) {
	spec := c.Version.Spec
	if len(spec.Resources) == 0 {
		c.problem(bundle.Error, "spec.resources", "the template has no resource; add at least one")
	}
	for i, r := range spec.Resources {
		path := fmt.Sprintf("spec.resources[%d]", i)
		if !sharing.ValidName(r.Name) {
			c.problem(bundle.Error, path+".name", "%q is no name for a resource; %s", r.Name, sharing.NameRule)
			continue
		}
		if slices.Contains(c.order(), r.Name) {
			c.problem(bundle.Error, path+".name", "the name %q is used by another resource of the template", r.Name)
			continue
		}
		c.checkFields(r, path)
		switch r.Kind {
		case KindResourceTemplate:
			c.addResource(i, in.Resources[r.VersionID])
		case KindStatic, KindEnvironment:
			c.addUpstream(i, in)
		default:
			c.problem(bundle.Error, path+".kind", "the kind %q is not supported; use %s, %s or %s", r.Kind, KindResourceTemplate, KindStatic, KindEnvironment)
		}
	}
	if !slices.ContainsFunc(spec.Resources, func(r Resource) bool { return r.Kind != KindStatic && r.Kind != KindEnvironment }) && len(spec.Resources) > 0 {
		c.problem(bundle.Error, "spec.resources", "the template only uses what exists already, so there is nothing to deploy; add a resource template")
	}
	for _, node := range c.Resources {
		node.DependsOn = c.dependenciesOf(node.Name, node.index)
	}
	for _, node := range c.Upstreams {
		node.DependsOn = c.dependenciesOf(node.Name, node.index)
		if len(node.DependsOn) > 0 {
			c.problem(bundle.Warning, fmt.Sprintf("spec.resources[%d].dependsOn", node.index),
				"%q exists before every deploy, so what it depends on has no effect; remove it, or let the resources that use it depend on that", node.Name)
		}
	}
}

// checkFields finds fields that are for nodes of another kind.
func (c *Compiled) checkFields(r Resource, path string) {
	for _, f := range []struct {
		name, value string
		kind        ResourceKind
	}{
		{"template", r.Template, KindResourceTemplate},
		{"version", r.Version, KindResourceTemplate},
		{"static", r.Static, KindStatic},
		{"environment", r.Environment, KindEnvironment},
	} {
		if f.value != "" && f.kind != r.Kind && (r.Kind == KindResourceTemplate || r.Kind == KindStatic || r.Kind == KindEnvironment) {
			c.problem(bundle.Error, path+"."+f.name, "%q is of the kind %s, which has no %s; remove it, or make the kind %s", r.Name, r.Kind, f.name, f.kind)
		}
	}
}

func (c *Compiled) addResource(index int, version *ResourceVersion) {
	r := c.Version.Spec.Resources[index]
	path := fmt.Sprintf("spec.resources[%d]", index)
	if version == nil {
		c.problem(bundle.Error, path+".template", "there is no resource template %q%s", r.Template, versionWords(r.Version))
		return
	}
	if version.State == Draft {
		c.problem(bundle.Error, path+".version", "version %q of resource template %q is a draft; activate it first", version.Version, r.Template)
	}
	node := &CompiledResource{Name: r.Name, Version: version, index: index}
	for j := range version.Module.Variables {
		node.variables = append(node.variables, c.moduleVariable(&version.Module.Variables[j], path))
	}
	for _, p := range version.Module.Problems {
		if p.Severity == bundle.Error {
			c.problems = append(c.problems, Problem{Severity: p.Severity, Path: path, File: p.File, Line: p.Line, Message: r.Template + ": " + p.Message})
		}
	}
	c.Resources = append(c.Resources, node)
}

func versionWords(version string) string {
	if version == "" {
		return " with an active version that this project may use"
	}
	return fmt.Sprintf(" with a version %q that this project may use", version)
}

// dependenciesOf reads what the template lists as the dependencies of a node.
func (c *Compiled) dependenciesOf(name string, index int) []string {
	var out []string
	for j, d := range c.Version.Spec.Resources[index].DependsOn {
		path := fmt.Sprintf("spec.resources[%d].dependsOn[%d]", index, j)
		switch {
		case d == name:
			c.problem(bundle.Error, path, "resource %q cannot depend on itself", name)
		case !slices.Contains(c.order(), d):
			c.problem(bundle.Error, path, "resource %q depends on %q, which is not in the template", name, d)
		case !slices.Contains(out, d):
			out = append(out, d)
		}
	}
	return out
}

func (r *CompiledResource) dependOn(name string) {
	if !slices.Contains(r.DependsOn, name) {
		r.DependsOn = append(r.DependsOn, name)
	}
}

func (c *Compiled) checkCycles() {
	deps := map[string][]string{}
	places := map[string]int{}
	for _, r := range c.Resources {
		deps[r.Name], places[r.Name] = r.DependsOn, r.index
	}
	for _, u := range c.Upstreams {
		deps[u.Name], places[u.Name] = u.DependsOn, u.index
	}
	if cycle := findCycle(c.order(), deps); cycle != nil {
		c.problem(bundle.Error, fmt.Sprintf("spec.resources[%d].dependsOn", places[cycle[0]]),
			"the resources wait for each other: %s; remove one of these dependencies", joinArrows(cycle))
	}
}

// order lists the names of all nodes.
func (c *Compiled) order() []string {
	var out []string
	for _, r := range c.Resources {
		out = append(out, r.Name)
	}
	for _, u := range c.Upstreams {
		out = append(out, u.Name)
	}
	return out
}

// findCycle returns a cycle as the names along it, the first one again at the
// end, or nil.
func findCycle(order []string, deps map[string][]string) []string {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(name string) []string
	visit = func(name string) []string {
		switch state[name] {
		case done:
			return nil
		case visiting:
			return append(slices.Clone(path[slices.Index(path, name):]), name)
		}
		state[name] = visiting
		path = append(path, name)
		for _, d := range deps[name] {
			if cycle := visit(d); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		state[name] = done
		return nil
	}
	for _, name := range order {
		if cycle := visit(name); cycle != nil {
			return cycle
		}
	}
	return nil
}

func joinArrows(names []string) string { return strings.Join(names, " → ") }

// suggest is a hint at the known name nearest to a wrong one, or nothing.
func suggest(name string, known []string) string {
	best, distance := "", len(name)/3+2
	for _, k := range known {
		if d := levenshtein.Distance(name, k, nil); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
