package trial

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/api"
)

const (
	cleanTime    = 5 * time.Minute
	endpointTime = 30 * time.Second
	settleTime   = 10 * time.Second
	pause        = 100 * time.Millisecond
	logTail      = 20
	bodyLimit    = 1 << 20
)

// attempt is one case being tried.
type attempt struct {
	*world
	Case

	environment string
	before      []string // what the sandbox held before
	failures    []string
	log         string
}

func (t *attempt) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.failures = append(t.failures, text)
	t.options.Say("  FAILED: %s", text)
}

// run tries the case. An error means that there is no going on: the command was stopped, or what it works with is broken.
func (t *attempt) run(ctx context.Context) error {
	var err error
	if t.before, err = t.inventory(ctx); err != nil {
		return err
	}
	variables, err := t.variables(t.options.Inputs)
	if err != nil {
		return err
	}
	_, err = t.client.CreateEnvironment(ctx, project, api.CreateEnvironment{
		Name: t.environment, Template: t.Template, Version: t.Version, Variables: variables,
	})
	var refused *api.Error
	switch {
	case errors.As(err, &refused):
		t.refused(describe(err))
		return nil
	case err != nil:
		return err
	}
	err = t.live(ctx)
	if err == nil && len(t.failures) > 0 && t.options.Keep != nil {
		t.options.Keep(ctx, t.client.URL, user, t.password)
	}
	// What was made is destroyed also when the command is stopped.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	if err != nil {
		t.abandon(clean)
	}
	return errors.Join(err, t.remove(clean))
}

// refused is the outcome of an environment that does not come to be.
func (t *attempt) refused(why string) {
	want := t.Expect.Failure
	switch {
	case want == nil:
		t.fail("%s", why)
	case !strings.Contains(why, want.Message):
		t.fail("it fails as it must, but not with %q: %s", want.Message, why)
	}
}

// live deploys, and checks what came of it.
func (t *attempt) live(ctx context.Context) error {
	r, err := t.start(ctx, "deploy")
	if err != nil {
		return err
	}
	if r.Status != "succeeded" {
		t.refused(cause("deploy", r))
		if len(t.failures) > 0 {
			t.log = t.tail(ctx, r)
		}
		return nil
	}
	if t.Expect.Failure != nil {
		t.fail("the deploy works, and must fail")
		return nil
	}
	if err := t.outputs(ctx); err != nil {
		return err
	}
	if err := t.endpoint(ctx); err != nil {
		return err
	}
	if t.AllowDrift {
		return nil
	}
	return t.steady(ctx)
}

// start starts a run and follows it to its end.
func (t *attempt) start(ctx context.Context, verb string) (api.Run, error) {
	r, err := t.client.Start(ctx, project, t.environment, verb)
	if err != nil {
		return r, err
	}
	told := map[string]string{}
	say := func(key, state, text string) {
		if told[key] != state {
			told[key] = state
			t.options.Say("  %s  %s: %s", time.Now().Format(time.TimeOnly), verb, text)
		}
	}
	return t.client.WatchRun(ctx, project, t.environment, r.Number, func(r api.Run) {
		for _, s := range r.Steps {
			if s.Status == "pending" || s.Status == "ready" {
				continue
			}
			doing := s.Status
			if s.Status == "running" {
				doing = cmp.Or(s.Phase, s.Status)
			}
			say(s.Resource, doing, s.Resource+": "+doing)
			for _, o := range s.Objects {
				if o.Status == "finished" || o.Status == "errored" {
					say(s.Resource+" "+o.Address+o.Action, o.Status, fmt.Sprintf("%s: %s %s %s", s.Resource, o.Address, o.Action, o.Status))
				}
			}
		}
	})
}

// cause tells why a run did not succeed, with the evidence.
func cause(verb string, r api.Run) string {
	text := "the " + verb + " " + r.Status
	if r.Cause != "" {
		text += ": " + r.Cause
	}
	for _, s := range r.Steps {
		for _, d := range s.Diagnostics {
			if d.Severity != "error" {
				continue
			}
			text += "\n" + strings.TrimSpace(s.Resource+" "+d.Address) + ": " + d.Summary
			if d.Detail != "" {
				text += "\n" + d.Detail
			}
			for _, try := range d.Try {
				text += "\ntry: " + try
			}
		}
	}
	return text
}

// tail is the end of the log of the first step that failed.
func (t *attempt) tail(ctx context.Context, r api.Run) string {
	i := slices.IndexFunc(r.Steps, func(s api.Step) bool { return s.Status == "failed" })
	if i < 0 {
		return ""
	}
	log, err := t.client.Log(ctx, project, t.environment, r.Number, r.Steps[i].Resource, 0, false)
	if err != nil {
		return ""
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-logTail):], []byte("\n")))
}

func (t *attempt) outputs(ctx context.Context) error {
	have, err := t.client.Outputs(ctx, project, t.environment)
	if err != nil {
		return err
	}
	find := func(resource, name string) (api.Output, bool) {
		o, ok := have[resource][name]
		return o, ok && (o.Sensitive || len(o.Value) > 0 && string(o.Value) != "null")
	}
	declared, err := t.declared(ctx, t.Template, t.Version)
	if err != nil {
		return err
	}
	checked := map[string]bool{}
	for _, c := range t.Expect.Outputs {
		resource, name, _ := strings.Cut(c.Name, ".")
		checked[c.Name] = true
		o, ok := find(resource, name)
		if wrong := c.compare(o, ok); wrong != "" {
			t.fail("%s", wrong)
		}
	}
	for resource, names := range declared {
		for _, name := range names {
			full := resource + "." + name
			if _, ok := find(resource, name); !ok && !checked[full] && !slices.Contains(t.OptionalOutputs, full) {
				t.fail("output %s has no value; list it in optionalOutputs if it need not have one", full)
			}
		}
	}
	return nil
}

// endpoint asks the address of the environment, which must answer.
func (t *attempt) endpoint(ctx context.Context) error {
	e, err := t.client.Environment(ctx, project, t.environment)
	if err != nil {
		return err
	}
	want := EndpointCheck{}
	if t.Expect.Endpoint != nil {
		want = *t.Expect.Endpoint
	}
	if e.Endpoint == "" {
		if t.Expect.Endpoint != nil {
			t.fail("the environment has no endpoint")
		}
		return nil
	}
	deadline := time.Now().Add(endpointTime)
	for {
		wrong := ask(ctx, e.Endpoint, want)
		if wrong == "" {
			t.options.Say("  %s answers", e.Endpoint)
			return nil
		}
		if time.Now().After(deadline) {
			t.fail("%s %s", e.Endpoint, wrong)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * pause):
		}
	}
}

func ask(ctx context.Context, url string, want EndpointCheck) string {
	ctx, cancel := context.WithTimeout(ctx, endpointTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "is no address: " + err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "does not answer: " + err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	switch {
	case err != nil:
		return "does not answer: " + err.Error()
	case want.Status != 0 && resp.StatusCode != want.Status:
		return fmt.Sprintf("answers with status %d, and must with %d", resp.StatusCode, want.Status)
	case want.Status == 0 && resp.StatusCode >= http.StatusInternalServerError:
		return fmt.Sprintf("answers with status %d", resp.StatusCode)
	case !strings.Contains(string(body), want.Contains):
		return fmt.Sprintf("answers without %q", want.Contains)
	}
	return ""
}

// steady plans again: nothing may change that nobody changed.
func (t *attempt) steady(ctx context.Context) error {
	r, err := t.start(ctx, "plan")
	if err != nil {
		return err
	}
	if r.Status != "succeeded" {
		t.refused(cause("second plan", r))
		return nil
	}
	plan, err := t.client.Plan(ctx, project, t.environment, r.Number)
	if err != nil {
		return err
	}
	var changes []string
	for _, c := range plan.Changes {
		changes = append(changes, strings.TrimSpace(c.Action+" "+c.Resource+" "+c.Address))
	}
	if len(changes) > 0 {
		t.fail("a second plan is not empty (allowDrift permits that): %s", strings.Join(changes, ", "))
	}
	return nil
}

// abandon ends the run that is going on, so that the environment can be destroyed.
func (t *attempt) abandon(ctx context.Context) {
	runs, err := t.client.Runs(ctx, project, t.environment)
	if err != nil || len(runs) == 0 || runs[0].FinishedAt != nil {
		return
	}
	t.options.Say("  stopping the run that is going on")
	if _, err := t.client.Cancel(ctx, project, t.environment, runs[0].Number); err != nil {
		return
	}
	_, _ = t.client.WatchRun(ctx, project, t.environment, runs[0].Number, func(api.Run) {})
}

// remove destroys the environment and proves that nothing is left of it.
func (t *attempt) remove(ctx context.Context) error {
	r, err := t.start(ctx, "destroy")
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict { // it never was deployed
		return t.client.DeleteEnvironment(ctx, project, t.environment)
	}
	if err != nil {
		return err
	}
	if r.Status != "succeeded" {
		t.fail("%s", cause("destroy", r))
		t.log = cmp.Or(t.log, t.tail(ctx, r))
	}
	if err := t.left(ctx); err != nil {
		return err
	}
	if r.Status != "succeeded" {
		return nil
	}
	return t.client.DeleteEnvironment(ctx, project, t.environment)
}

// left tells what is left: in the states, in the sandbox and among the processes.
func (t *attempt) left(ctx context.Context) error {
	e, err := t.client.Environment(ctx, project, t.environment)
	if err != nil {
		return err
	}
	for _, r := range e.Resources {
		if r.Objects > 0 {
			t.fail("the state of %s still holds %d objects", r.Name, r.Objects)
		}
		for _, d := range r.InDoubt {
			t.fail("%s %s (%s) may be left: %s", r.Name, d.Address, d.ID, d.Reason)
		}
	}
	after, err := t.inventory(ctx)
	if err != nil {
		return err
	}
	for _, one := range after {
		if !slices.Contains(t.before, one) {
			t.fail("left in the sandbox: %s", one)
		}
	}
	deadline := time.Now().Add(settleTime)
	running := t.processes()
	for len(running) > 0 && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause): // nothing tells of the end of other processes
		}
		running = t.processes()
	}
	for _, p := range running {
		t.fail("a process is left: %s", p)
	}
	if len(t.failures) == 0 {
		t.options.Say("  nothing is left")
	}
	return nil
}
