package run

import (
	"fmt"
	"slices"
)

// Cause says in one sentence why a run failed, or what it waits for; empty when there is nothing to explain.
func (s *Service) Cause(r Run) string {
	if r.Status == StatusQueued && s.Waiting != nil {
		if why := s.Waiting(); why != "" {
			return why
		}
	}
	return r.Cause()
}

// Cause is the same without a look at what the server waits for.
func (r Run) Cause() string {
	switch r.Status {
	case StatusFailed:
		for i := range r.Steps {
			if st := &r.Steps[i]; st.Status == StepFailed {
				return st.Resource + ": " + st.cause()
			}
		}
	case StatusCanceled:
		return "The run was canceled."
	case StatusQueued:
		return "Waiting for a free worker."
	case StatusRunning:
		if r.CancelRequested {
			return "Stopping: the running step is ended as soon as that is safe."
		}
	case StatusSucceeded:
	}
	return ""
}

// addDiagnostic keeps what tells of the application before what the tool says.
func (s *Step) addDiagnostic(d Diagnostic) {
	at := len(s.Diagnostics)
	if d.Source == SourceApplication {
		at = slices.IndexFunc(s.Diagnostics, func(o Diagnostic) bool { return o.Source != SourceApplication })
		if at < 0 {
			at = len(s.Diagnostics)
		}
	}
	s.Diagnostics = slices.Insert(s.Diagnostics, at, d)
}

// cause prefers why the application does not start to the tool's own first error, which names the object, and that to the
// runner's summary.
func (s *Step) cause() string {
	for _, d := range s.Diagnostics {
		if d.Severity != "error" {
			continue
		}
		if d.Address != "" && d.Source != SourceApplication {
			return fmt.Sprintf("%s: %s", d.Address, d.Summary)
		}
		return d.Summary
	}
	return s.Error
}
