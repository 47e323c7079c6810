package run

import (
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/db"
)

// plannedStep is a step to be made, with dependencies still by resource name.
type plannedStep struct {
	resource Resource
	action   Action
	after    []string
}

// buildSteps makes the steps of a run. known must hold a resource for each node.
func buildSteps(id ID, kind Kind, nodes []Node, known map[string]Resource) []Step {
	var planned []plannedStep
	switch kind {
	case KindDeploy:
		planned = append(applySteps(nodes, known), removalSteps(nodes, known)...)
	case KindPlan:
		planned = planSteps(nodes, known)
	case KindDestroy:
		planned = destroySteps(nodes, known)
	}
	ids := map[string]StepID{}
	steps := make([]Step, len(planned))
	for i, p := range planned {
		ids[p.resource.Name] = StepID(db.NewID("step"))
		steps[i] = Step{
			ID: ids[p.resource.Name], RunID: id, ResourceID: p.resource.ID, Resource: p.resource.Name,
			Action: p.action, Status: StepPending, DependsOn: []StepID{},
		}
	}
	for i, p := range planned {
		for _, name := range p.after {
			if dep, ok := ids[name]; ok {
				steps[i].DependsOn = append(steps[i].DependsOn, dep)
			}
		}
	}
	return steps
}

func applySteps(nodes []Node, known map[string]Resource) []plannedStep {
	var out []plannedStep
	for _, n := range nodes {
		out = append(out, plannedStep{known[n.Name], ActionApply, n.DependsOn})
	}
	return out
}

// removalSteps destroys what has left the graph, once everything that stays no longer needs it.
func removalSteps(nodes []Node, known map[string]Resource) []plannedStep {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	var out []plannedStep
	for _, o := range sorted(known) {
		if !slices.Contains(all, o.Name) && o.applied() {
			out = append(out, plannedStep{o, ActionDestroy, all})
		}
	}
	return out
}

// planSteps leaves out nodes that need outputs which do not exist yet: nothing can be said of those.
func planSteps(nodes []Node, known map[string]Resource) []plannedStep {
	var out []plannedStep
	for _, n := range nodes {
		if !slices.ContainsFunc(n.DependsOn, func(d string) bool { return known[d].Status != ResourceDeployed }) {
			out = append(out, plannedStep{known[n.Name], ActionPlan, nil})
		}
	}
	return out
}

// destroySteps takes down whatever was ever applied, those first that nothing depends on.
func destroySteps(nodes []Node, known map[string]Resource) []plannedStep {
	dependents := map[string][]string{}
	position := map[string]int{}
	for i, n := range nodes {
		position[n.Name] = i
		for _, d := range n.DependsOn {
			dependents[d] = append(dependents[d], n.Name)
		}
	}
	var out []plannedStep
	for _, o := range sorted(known) {
		if o.applied() {
			out = append(out, plannedStep{o, ActionDestroy, dependents[o.Name]})
		}
	}
	slices.SortStableFunc(out, func(a, b plannedStep) int { return position[b.resource.Name] - position[a.resource.Name] })
	return out
}

func sorted(known map[string]Resource) []Resource {
	var out []Resource
	for _, o := range known {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Resource) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// applied reports whether something of the resource may exist.
func (o Resource) applied() bool { return o.appliedRunID != "" && o.Status != ResourceDestroyed }
