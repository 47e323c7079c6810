package tofu

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// EventType is the kind of a machine-readable event. Types that Berth has no use for are passed on as they are.
type EventType string

const (
	EventVersion         EventType = "version"
	EventLog             EventType = "log"
	EventDiagnostic      EventType = "diagnostic"
	EventPlannedChange   EventType = "planned_change"
	EventDrift           EventType = "resource_drift"
	EventChangeSummary   EventType = "change_summary"
	EventOutputs         EventType = "outputs"
	EventApplyStart      EventType = "apply_start"
	EventApplyProgress   EventType = "apply_progress"
	EventApplyComplete   EventType = "apply_complete"
	EventApplyErrored    EventType = "apply_errored"
	EventRefreshStart    EventType = "refresh_start"
	EventRefreshComplete EventType = "refresh_complete"
	EventProvisionOutput EventType = "provision_progress"
)

// Event is one line of -json or -json-into output.
type Event struct {
	Type      EventType
	Message   string
	Time      time.Time
	Hook      *Hook       // apply_*, refresh_*, provision_*
	Change    *Hook       // planned_change, resource_drift
	Summary   *Summary    // change_summary
	Diag      *Diagnostic // diagnostic
	ToolKnown string      // version
}

// Hook is what happens to one resource instance.
type Hook struct {
	Resource Address `json:"resource"`
	Action   string  `json:"action"`
	IDKey    string  `json:"id_key"`
	IDValue  string  `json:"id_value"`
	Elapsed  float64 `json:"elapsed_seconds"`
	Output   string  `json:"output"`
}

// Address of a resource instance, with its parts.
type Address struct {
	Addr         string          `json:"addr"`
	Module       string          `json:"module"`
	Resource     string          `json:"resource"`
	Provider     string          `json:"implied_provider"`
	ResourceType string          `json:"resource_type"`
	ResourceName string          `json:"resource_name"`
	ResourceKey  json.RawMessage `json:"resource_key"`
}

// Summary counts the changes of a plan or an apply.
type Summary struct {
	Add       int    `json:"add"`
	Change    int    `json:"change"`
	Import    int    `json:"import"`
	Remove    int    `json:"remove"`
	Forget    int    `json:"forget"`
	Operation string `json:"operation"` // plan, apply, destroy
}

// Diagnostic is an error or a warning.
type Diagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Address  string `json:"address"`
	Range    *struct {
		Filename string `json:"filename"`
		Start    struct {
			Line int `json:"line"`
		} `json:"start"`
	} `json:"range"`
	Snippet *struct {
		Code string `json:"code"`
	} `json:"snippet"`
}

// ParseEvent reads one line. Lines that are no JSON object (a tool that died in its own words) are an error.
func ParseEvent(line []byte) (Event, error) {
	var raw struct {
		Type       EventType   `json:"type"`
		Message    string      `json:"@message"`
		Time       string      `json:"@timestamp"`
		Hook       *Hook       `json:"hook"`
		Change     *Hook       `json:"change"`
		Changes    *Summary    `json:"changes"`
		Diagnostic *Diagnostic `json:"diagnostic"`
		Tofu       string      `json:"tofu"`
		Terraform  string      `json:"terraform"`
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' {
		return Event{}, fmt.Errorf("reading an event: %q is no JSON object", clip(line))
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return Event{}, fmt.Errorf("reading an event: %w", err)
	}
	e := Event{Type: raw.Type, Message: raw.Message, Hook: raw.Hook, Change: raw.Change, Summary: raw.Changes,
		Diag: raw.Diagnostic, ToolKnown: raw.Tofu + raw.Terraform}
	if t, err := time.Parse(time.RFC3339Nano, raw.Time); err == nil {
		e.Time = t
	}
	return e.checked(), nil
}

// checked drops a type whose payload is missing, so that readers may follow the pointer their type promises.
func (e Event) checked() Event {
	missing := false
	switch e.Type {
	case EventApplyStart, EventApplyProgress, EventApplyComplete, EventApplyErrored, EventRefreshStart,
		EventRefreshComplete, EventProvisionOutput:
		missing = e.Hook == nil
	case EventPlannedChange, EventDrift:
		missing = e.Change == nil
	case EventChangeSummary:
		missing = e.Summary == nil
	case EventDiagnostic:
		missing = e.Diag == nil
	case EventVersion, EventLog, EventOutputs:
	default:
	}
	if missing {
		e.Type = EventLog
	}
	return e
}

// ParseValidation reads what validate -json prints.
func ParseValidation(out []byte) ([]Diagnostic, error) {
	var result struct {
		Format      string       `json:"format_version"`
		Diagnostics []Diagnostic `json:"diagnostics"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(out), &result); err != nil {
		return nil, fmt.Errorf("reading the result of validate: %w", err)
	}
	if result.Format == "" {
		return nil, fmt.Errorf("reading the result of validate: %q has no format version", clip(out))
	}
	return result.Diagnostics, nil
}

func clip(b []byte) []byte {
	if len(b) > 80 {
		return b[:80]
	}
	return b
}
