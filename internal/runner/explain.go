package runner

import (
	"context"
	"encoding/json"
	"regexp"
	"sync"
	"time"

	"github.com/berthdev/berth/internal/explain"
	"github.com/berthdev/berth/internal/tofu"
)

// application watches the application that a step deploys: the tool only waits for it, often for long, and then says no
// more than that the wait failed.
type application struct {
	explainer *explain.Explainer // nil when the cloud cannot be asked

	mu    sync.Mutex
	found []Diagnostic
}

// explainTime bounds the questions after a failure.
const explainTime = 20 * time.Second

var clusterARN = regexp.MustCompile(`arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]+:cluster/[A-Za-z0-9_-]+`)

// newApplication tells an explainer what the step knows of clusters: a service that is yet to be made has no id.
func (s *supervisor) newApplication() *application {
	a := &application{}
	if s.spec.Action != ActionApply {
		return a
	}
	access, ok := awsAccess(s.envMap(), s.spec.Sandbox)
	if !ok {
		return a
	}
	if access.Region == "" {
		_ = json.Unmarshal(s.spec.Variables["region"], &access.Region) // the usual name; clusters carry theirs
	}
	a.explainer = explain.New(explain.Deps{Access: access, UniqueName: s.spec.UniqueName, Now: time.Now})
	for _, value := range s.spec.Variables {
		for _, arn := range clusterARN.FindAllString(string(value), -1) {
			a.explainer.Cluster(arn)
		}
	}
	if s.states != nil {
		parsed, _, _ := s.states.current()
		for _, o := range parsed.Objects() {
			if o.Type == explain.ClusterType && !o.Deposed {
				a.explainer.Cluster(o.ID)
			}
		}
	}
	return a
}

// started and ended pass on what the tool does.
func (a *application) started(h *tofu.Hook) {
	if a.explains(h, explain.ServiceType) {
		a.explainer.Started(h.Resource.Addr, h.IDValue)
	}
}

func (a *application) ended(h *tofu.Hook, errored bool) {
	if a.explains(h, explain.ServiceType) {
		a.explainer.Ended(h.Resource.Addr, errored)
	}
	if a.explains(h, explain.ClusterType) && !errored {
		a.explainer.Cluster(h.IDValue)
	}
}

// explains leaves out deletions: nothing is to start then.
func (a *application) explains(h *tofu.Hook, typ string) bool {
	return a != nil && a.explainer != nil && h.Resource.ResourceType == typ && h.Action != "delete"
}

func (a *application) first() *Diagnostic {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.found) == 0 {
		return nil
	}
	return &a.found[0]
}

// watchApplication looks after what is deployed until the returned function is called. A deployment that cannot succeed
// any more ends the step: waiting on would only hide the cause.
func (s *supervisor) watchApplication(ctx context.Context) (end func()) {
	s.application = s.newApplication()
	if s.application.explainer == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		s.application.explainer.Watch(ctx, func(f explain.Finding) {
			if s.addFinding(f) == nil {
				s.stop.stop(StatusFailed)
			}
		})
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// explainFailure asks what became of the application after the tool ended with an error.
func (s *supervisor) explainFailure(ctx context.Context) error {
	if s.application.explainer == nil {
		return nil
	}
	if why, killed := s.stop.reason(); killed || why == StatusCanceled || why == StatusFenced {
		return nil // nobody waits for an answer
	}
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	for _, f := range s.application.explainer.Explain(ctx) {
		if err := s.addFinding(f); err != nil {
			return err
		}
	}
	return nil
}

// addFinding records a finding as an error, durably: what follows depends on it.
func (s *supervisor) addFinding(f explain.Finding) error {
	d := Diagnostic{Source: SourceApplication, Severity: SeverityError, Summary: s.mask.text(f.Summary),
		Detail: s.mask.text(f.Detail), Address: s.mask.text(f.Address), Try: f.Try}
	if _, err := s.rec.add(true, Record{Kind: KindDiagnostic, Diagnostic: &d}); err != nil {
		return err
	}
	s.application.mu.Lock()
	defer s.application.mu.Unlock()
	s.application.found = append(s.application.found, d)
	return nil
}
