package core

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault is a failure to make, as sent to POST /_sandbox/faults.
type Fault struct {
	ID string `json:"id"`
	// Service and Operation choose the calls; empty is every one.
	Service   string `json:"service,omitempty"`
	Operation string `json:"operation,omitempty"`
	// LatencyMS delays the call.
	LatencyMS int `json:"latency_ms,omitempty"`
	// Code and Message make the call fail with this AWS error; Throttle is
	// short for AWS's throttling error of the protocol.
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
	Status   int    `json:"status,omitempty"`
	Throttle bool   `json:"throttle,omitempty"`
	// Nth strikes first on the n-th matching call (1 is the next).
	Nth int `json:"nth,omitempty"`
	// Times ends the fault after so many strikes; 0 is never, but once for a
	// fault with Nth.
	Times int `json:"times,omitempty"`
	// Seen and Struck count matching calls and strikes so far.
	Seen   int `json:"seen"`
	Struck int `json:"struck"`
}

func (f *Fault) validate() *Error {
	switch {
	case f.LatencyMS < 0 || f.LatencyMS > 10*60*1000:
		return Errorf("InvalidFault", "latency_ms must be between 0 and 600000.")
	case f.Nth < 0 || f.Times < 0:
		return Errorf("InvalidFault", "nth and times must not be negative.")
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return Errorf("InvalidFault", "status must be an HTTP error status, 400 to 599.")
	case f.LatencyMS == 0 && f.Code == "" && !f.Throttle:
		return Errorf("InvalidFault", "a fault needs latency_ms, code or throttle.")
	}
	return nil
}

// Faults are the failures asked for. They live in memory: a restart ends them.
type Faults struct {
	mu    sync.Mutex
	next  int
	list  []*Fault
	hooks map[string]FaultHook
}

func newFaults(services []Service) *Faults {
	f := &Faults{hooks: map[string]FaultHook{}}
	for _, s := range services {
		if injector, ok := s.(FaultInjector); ok {
			for name, hook := range injector.FaultHooks() {
				f.hooks[name] = hook
			}
		}
	}
	return f
}

func (f *Faults) add(fault Fault) (Fault, *Error) {
	if err := fault.validate(); err != nil {
		return Fault{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	fault.ID = fmt.Sprintf("fault-%d", f.next)
	fault.Seen, fault.Struck = 0, 0
	if fault.Nth > 0 && fault.Times == 0 {
		fault.Times = 1
	}
	f.list = append(f.list, &fault)
	return fault, nil
}

func (f *Faults) all() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Fault, len(f.list))
	for i, fault := range f.list {
		out[i] = *fault
	}
	return out
}

// remove ends one fault, or all of them when id is empty.
func (f *Faults) remove(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.list)
	f.list = slices.DeleteFunc(f.list, func(x *Fault) bool { return id == "" || x.ID == id })
	return len(f.list) < before
}

// strike applies the faults that match a call.
func (f *Faults) strike(ctx context.Context, req *Request) error {
	delay, err := f.due(req)
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	return nil
}

func (f *Faults) due(req *Request) (delay time.Duration, failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.list {
		if x.Service != "" && x.Service != req.Service || x.Operation != "" && x.Operation != req.Action {
			continue
		}
		x.Seen++
		if x.Seen < x.Nth || x.Times > 0 && x.Struck >= x.Times {
			continue
		}
		x.Struck++
		delay += time.Duration(x.LatencyMS) * time.Millisecond
		if e := x.failure(req); e != nil && failure == nil {
			failure = e
		}
	}
	return delay, failure
}

func (f *Fault) failure(req *Request) *Error {
	code, status := f.Code, f.Status
	if f.Throttle {
		code = throttlingCode(req)
	}
	if code == "" {
		return nil
	}
	if status == 0 {
		status = http.StatusBadRequest
	}
	message := f.Message
	if message == "" {
		message = "Rate exceeded"
		if !f.Throttle {
			message = "A fault was injected into " + req.Action + "."
		}
	}
	return Errorf(code, "%s", message).WithStatus(status)
}

func throttlingCode(req *Request) string {
	switch {
	case req.Service == "ec2":
		return "RequestLimitExceeded"
	case req.Body != nil:
		return "ThrottlingException"
	default:
		return "Throttling"
	}
}
