package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

func environmentStatus(s environment.Status) views.Status { return views.Status(s) }

// header is the head of the environment's page: what it is, and what can be done with it now.
func (f environmentFacts) header() views.EnvironmentHeader {
	status := environmentStatus(f.Status)
	h := views.EnvironmentHeader{
		Project: f.Project.Slug, Name: f.Name, Status: status, Since: views.At(f.StatusSince, f.Now), Template: f.Template.Name,
		Version: f.Template.Version, UpdateAvailable: f.newer, Follows: f.FollowLatest, Owner: f.OwnerEmail, Sandbox: f.Sandbox,
	}
	if f.Status.Busy() {
		h.Cancel = f.cancelAction()
		return h
	}
	h.Action = &views.Action{Label: views.DeployLabel(status), URL: f.base + "/deploy", Blocked: f.may[authz.EnvironmentDeploy]}
	switch {
	case f.Status == environment.StatusFailed && f.LastRun.Kind == run.KindDestroy:
		h.Action.Label = "Deploy" // what failed is retried where its cause is shown
	case f.Status == environment.StatusFailed:
		h.Action.URL = f.base + "/retry"
	}
	exists := f.Status != environment.StatusDraft && f.Status != environment.StatusDestroyed
	if exists && f.may[authz.EnvironmentDestroy] == "" {
		h.Destroy = &views.Action{Label: "Destroy", URL: f.base + "/destroy"}
	}
	if exists && f.may[authz.EnvironmentDeploy] == "" {
		h.Preview = &views.Action{Label: "Preview changes", URL: f.base + "/plan"}
	}
	if !exists && f.may[authz.EnvironmentDelete] == "" {
		h.Delete = &views.Action{Label: "Delete environment", URL: f.base + "/delete"}
	}
	return h
}

func (f environmentFacts) cancelAction() *views.Action {
	if f.LastRun == nil || f.may[authz.RunCancel] != "" {
		return nil
	}
	a := &views.Action{Label: "Cancel", URL: fmt.Sprintf("%s/runs/%d/cancel", f.base, f.LastRun.Number)}
	if f.LastRun.CancelRequested {
		a.Blocked = "It is being stopped already."
	}
	return a
}

// runSummary is the run that is going on, or the one that failed; nil when there is nothing to tell.
func (f environmentFacts) runSummary() *views.RunSummary {
	if f.run == nil {
		return nil
	}
	status := f.run.Status
	if status != run.StatusQueued && status != run.StatusRunning && status != run.StatusFailed {
		return nil
	}
	p := f.run.estimate()
	v := &views.RunSummary{
		URL: f.run.url(), Number: f.run.Number, Status: runStatus(status), Headline: f.run.headline(), Percent: p.Percent,
		Elapsed: p.Elapsed, Started: views.At(f.run.StartedAt, f.Now), Usually: p.Usually, Cause: f.run.cause(),
	}
	if v.Cause != nil && f.run.Kind == run.KindDestroy {
		v.Cause.Action = f.retryAction() // a deploy has its Retry in the head
	}
	return v
}

func (f environmentFacts) retryAction() *views.Action {
	a := &views.Action{Label: "Retry", URL: f.base + "/retry", Blocked: f.may[authz.EnvironmentDeploy]}
	if f.run.Kind == run.KindDestroy {
		a.Label, a.Blocked = "Retry destroy", cmp.Or(f.may[authz.EnvironmentDestroy], f.may[authz.EnvironmentDeploy])
	}
	return a
}

func (f environmentFacts) settings() views.EnvironmentSettings {
	v := views.EnvironmentSettings{
		ID: string(f.ID), UniqueName: f.UniqueName, Created: views.At(f.CreatedAt, f.Now), CreatedBy: f.OwnerEmail,
		Version: f.Template.Version, Follows: f.FollowLatest,
	}
	if f.may[authz.EnvironmentUpdate] == "" && !f.Status.Busy() {
		v.VersionURL = f.base + "/version"
	}
	for _, r := range f.resources {
		v.Objects += r.ObjectCount
	}
	for _, c := range f.version.Version.Spec.Contexts {
		v.Contexts = append(v.Contexts, c.Name)
	}
	for _, r := range f.version.Resources {
		for _, c := range r.Version.Spec.Contexts {
			if !slices.Contains(v.Contexts, c.Name) {
				v.Contexts = append(v.Contexts, c.Name)
			}
		}
	}
	return v
}

// resource returns what is stored of a resource.
func (f environmentFacts) resource(name string) (run.Resource, bool) {
	for _, r := range f.resources {
		if r.Name == name {
			return r, true
		}
	}
	return run.Resource{}, false
}

// step returns what the newest run does with a resource.
func (f environmentFacts) step(name string) *run.Step {
	if f.run == nil {
		return nil
	}
	for i := range f.run.Steps {
		if f.run.Steps[i].Resource == name {
			return &f.run.Steps[i]
		}
	}
	return nil
}

// resourceStatus is what a resource is doing, else what is known of it.
func resourceStatus(r run.Resource, st *run.Step, active bool) views.Status {
	if st != nil {
		switch {
		case st.Status == run.StepRunning && st.Action == run.ActionDestroy:
			return views.Destroying
		case st.Status == run.StepRunning:
			return views.Deploying
		case active && (st.Status == run.StepReady || st.Status == run.StepPending):
			return views.Queued
		case st.Status == run.StepFailed:
			return views.Failed
		}
	}
	switch r.Status {
	case run.ResourceDeployed:
		return views.Deployed
	case run.ResourceFailed:
		return views.Failed
	case run.ResourceDestroyed:
		return views.Destroyed
	case run.ResourceNew:
	}
	return views.Pending
}

// names lists the resources: those of the template, and those that have left it and may still exist.
func (f environmentFacts) names() []string {
	var out []string
	for _, r := range f.version.Resources {
		out = append(out, r.Name)
	}
	for _, r := range f.resources {
		if !slices.Contains(out, r.Name) && (r.Status == run.ResourceDeployed || r.Status == run.ResourceFailed) {
			out = append(out, r.Name)
		}
	}
	return out
}

func (f environmentFacts) active() bool { return f.run != nil && !f.run.Status.Ended() }

// graph is the drawing of the resources and what they depend on.
func (f environmentFacts) graph() views.Graph {
	deps := f.version.Dependencies(f.Inputs)
	nodes := f.upstreamNodes()
	for _, name := range f.names() {
		stored, _ := f.resource(name)
		st := f.step(name)
		n := views.GraphNode{
			Name: name, Kind: f.kind(name), Status: resourceStatus(stored, st, f.active()), DependsOn: deps[name],
			URL: f.base + "/resources?open=" + url.QueryEscape(name) + "#resource-" + url.PathEscape(name),
		}
		if stored.ObjectCount > 0 {
			n.Sentence = views.Count(stored.ObjectCount, "object", "objects")
		}
		if st != nil && st.Status == run.StepRunning {
			n.Sentence, n.Elapsed, n.Since = f.run.stepSentence(st), took(st.StartedAt, st.FinishedAt, f.Now), views.At(st.StartedAt, f.Now)
			n.Percent = f.run.stepPercent(st)
		}
		if o, ok := f.outputs[name]["endpoint"]; ok && !o.Sensitive {
			n.Output = short(outputText(o.Value))
		}
		nodes = append(nodes, n)
	}
	return views.Layout(nodes)
}

// upstreamNodes are the nodes that exist already: static resources, and other environments with their status.
func (f environmentFacts) upstreamNodes() []views.GraphNode {
	var nodes []views.GraphNode
	for _, u := range f.version.Upstreams {
		n := views.GraphNode{Name: u.Name, Kind: "static resource " + u.Static, Exists: true, Icon: kindIcon(u.Kind)}
		if u.Kind == template.KindEnvironment {
			n.Kind, n.Exists, n.Sentence = "environment "+u.Environment, false, "does not exist yet"
			for _, o := range f.near.Uses {
				if o.Name == u.Environment && o.Exists {
					n.Status, n.Sentence = environmentStatus(o.Status), ""
					n.URL = views.ProjectPath(f.Project.Slug, "environments", u.Environment)
				}
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// stepPercent is how far a running step is, against how long it usually takes or else by its objects.
func (f runFacts) stepPercent(st *run.Step) int {
	p := f.progress[st.ID]
	if p.Usual > 0 {
		return approach(f.now.Sub(st.StartedAt), p.Usual)
	}
	if objects := changes(p.Objects); len(objects) > 0 {
		return min(95, 5+int(90*f.shareDone(objects)))
	}
	return 3
}

// kind says what makes a resource.
func (f environmentFacts) kind(name string) string {
	if r, ok := f.version.Resource(name); ok {
		return r.Version.Template + " " + r.Version.Version
	}
	return "no longer in the template"
}

// resourceRows are the rows of the tab Resources. reveal names a sensitive output to show, as resource.output.
func (f environmentFacts) resourceRows(open, reveal string) []views.Resource {
	var out []views.Resource
	for _, name := range f.names() {
		stored, _ := f.resource(name)
		st := f.step(name)
		v := views.Resource{
			Name: name, Status: resourceStatus(stored, st, f.active()), Open: name == open,
			Outputs: f.outputRows(name, reveal),
		}
		if r, ok := f.version.Resource(name); ok {
			v.Kind, v.Template, v.Version = string(r.Version.Spec.Provider.Name), r.Version.Template, r.Version.Version
		}
		if st != nil {
			v.Took = took(st.StartedAt, st.FinishedAt, f.Now)
			if st.Status == run.StepFailed {
				v.Problem, v.RunURL, v.Open = problemOf(st), f.run.url(), v.Open || open == ""
			}
			for _, o := range changes(f.run.progress[st.ID].Objects) {
				if st.Action == run.ActionDestroy && runner.ObjectStatus(o.Status) == runner.ObjectFinished {
					continue // it is gone
				}
				v.Objects = append(v.Objects, f.run.object(o, st.Status.Ended()))
			}
		}
		for _, d := range stored.InDoubt {
			v.Objects = append(v.Objects, views.Object{Label: plainType(d.Type), Address: d.Address, ID: cmp.Or(d.ID, d.Reason), Status: views.Unreachable})
		}
		out = append(out, v)
	}
	return out
}

func problemOf(st *run.Step) string {
	if d := firstError(st); d != nil {
		return sentence("", d.Summary)
	}
	return st.Error
}

// internalOutputs are for Berth, not for people.
const internalOutputs = "berth_"

// outputRows lists outputs, the endpoint first.
func (f environmentFacts) outputRows(resource, reveal string) []views.Output {
	var out []views.Output
	for name, o := range f.outputs[resource] {
		if strings.HasPrefix(name, internalOutputs) {
			continue
		}
		v := views.Output{Name: name, Sensitive: o.Sensitive}
		if !o.Sensitive || reveal == resource+"."+name {
			v.Value = outputText(o.Value)
			v.Link = linkOf(v.Value)
		} else if f.may[authz.OutputSensitive] == "" {
			v.RevealURL = f.base + "/resources/" + url.PathEscape(resource) + "/outputs/" + url.PathEscape(name)
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b views.Output) int {
		if (a.Name == "endpoint") != (b.Name == "endpoint") {
			if a.Name == "endpoint" {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// outputText is a value as a person reads it: text as it is, anything else as JSON.
func outputText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// linkOf returns a text that is the address of a page, else "".
func linkOf(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return s
}
