package core

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Front is the sandbox's HTTP handler: AWS calls at "/", the sandbox's own
// pages under /_sandbox, and the plain paths that services bring.
type Front struct {
	guard       guard
	env         *Env
	services    []Service
	specs       []Spec
	routes      map[string]http.Handler
	faults      *Faults
	admin       http.Handler
	logRequests bool
}

// NewFront puts the services behind the front.
func NewFront(env *Env, services []Service, logRequests bool) (*Front, error) {
	g, err := newGuard(env.Addr)
	if err != nil {
		return nil, fmt.Errorf("reading the listen address %q: %w", env.Addr, err)
	}
	f := &Front{
		guard: g, env: env, services: services, routes: map[string]http.Handler{},
		faults: newFaults(services), logRequests: logRequests,
	}
	for _, s := range services {
		f.specs = append(f.specs, s.Spec())
		if r, ok := s.(Router); ok {
			for prefix, h := range r.Routes() {
				f.routes[prefix] = h
			}
		}
	}
	f.admin = newAdmin(env, services, f.specs, f.faults)
	return f, nil
}

// ServeHTTP checks the caller and passes the request on.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e := f.guard.checkHost(r); e != nil {
		f.refuse(w, r, e)
		return
	}
	if r.URL.Path == "/_sandbox" || strings.HasPrefix(r.URL.Path, "/_sandbox/") {
		if e := f.guard.checkPage(r); e != nil {
			f.refuse(w, r, e)
			return
		}
		f.admin.ServeHTTP(w, r)
		return
	}
	if e := f.guard.checkBrowser(r); e != nil {
		f.refuse(w, r, e)
		return
	}
	if h, ok := f.route(r.URL.Path); ok {
		h.ServeHTTP(w, r)
		return
	}
	f.serveAWS(w, r)
}

// route finds the plain handler of a path: the longest prefix wins.
func (f *Front) route(path string) (handler http.Handler, found bool) {
	longest := 0
	for prefix, h := range f.routes {
		if strings.HasPrefix(path, prefix) && len(prefix) > longest {
			handler, longest = h, len(prefix)
		}
	}
	return handler, longest > 0
}

// refuse answers a caller who may not come in, in the shape it can read.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request, e *Error) {
	id := NewUUID()
	f.env.Logger.Warn("refused a request", "code", e.Code, "host", r.Host, "origin", r.Header.Get("Origin"), "path", r.URL.Path)
	encodeError(guessProtocol(r), "", id, e).write(w, id)
}

func (f *Front) serveAWS(w http.ResponseWriter, r *http.Request) {
	start := f.env.Clock.Now()
	req := &Request{ID: NewUUID(), AccountID: AccountID, Header: r.Header, Host: r.Host}
	out, err := f.call(r, req)
	if err != nil {
		e, internal := asError(err)
		if internal {
			f.env.Logger.Error("an operation failed", "request", req.ID, "service", req.Service, "action", req.Action, "error", err)
		}
		out = encodeError(f.protocolOf(req, r), f.namespaceOf(req), req.ID, e)
		f.log(r.Context(), req, out.status, start, err)
	} else {
		f.log(r.Context(), req, out.status, start, nil)
	}
	out.write(w, req.ID)
}

func (f *Front) log(ctx context.Context, req *Request, status int, start time.Time, err error) {
	level := slog.LevelDebug
	if f.logRequests {
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{
		slog.String("service", req.Service), slog.String("action", req.Action), slog.String("region", req.Region),
		slog.Int("status", status), slog.Duration("took", f.env.Clock.Now().Sub(start)),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	if f.logRequests {
		attrs = append(attrs, slog.String("input", inputSummary(req)))
	}
	f.env.Logger.LogAttrs(ctx, level, "call", attrs...)
}

// inputSummary is the request's input for the request log, cut to a readable length.
func inputSummary(req *Request) string {
	s := string(req.Body)
	if s == "" {
		s = req.Form.values.Encode()
	}
	if len(s) > 500 {
		s = s[:500] + "..."
	}
	return s
}

// call identifies, authenticates and carries out one AWS call.
func (f *Front) call(r *http.Request, req *Request) (answer, error) {
	cred, authErr := parseAuthorization(r)
	req.AccessKey, req.Region, req.Service = cred.accessKey, cred.region, cred.service
	body, err := readBody(r)
	if err != nil {
		return answer{}, err
	}
	if err := readInput(r, req, body); err != nil {
		return answer{}, err
	}
	if authErr != nil {
		return answer{}, authErr
	}
	if req.Region == "" {
		req.Region = "us-east-1"
	}
	if !ValidRegion(req.Region) {
		return answer{}, Errorf("SignatureDoesNotMatch", "Credential should be scoped to a valid region; %q is not one.", req.Region).WithStatus(http.StatusForbidden)
	}
	spec, ok := f.find(req, r)
	if !ok {
		return answer{}, f.unknownService(req, r)
	}
	req.Service = spec.Name
	if req.Action == "" {
		return answer{}, Errorf("MissingAction", "The request names no operation: send a form with Action, or an X-Amz-Target header.")
	}
	handler, ok := spec.Operations[req.Action]
	if !ok {
		return answer{}, errUnknownOperation(spec.Protocol, req.Action, req.Form.Get("Version"), spec.Name)
	}
	if err := f.faults.strike(r.Context(), req); err != nil {
		return answer{}, err
	}
	result, err := f.run(r.Context(), handler, req)
	if err != nil {
		return answer{}, err
	}
	return encodeResult(spec, req, result)
}

// run calls the handler; a panic becomes an internal error of this call alone.
func (f *Front) run(ctx context.Context, h Handler, req *Request) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in %s %s: %v\n%s", req.Service, req.Action, p, debug.Stack())
		}
	}()
	return h(ctx, req)
}

func readInput(r *http.Request, req *Request, body []byte) error {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, req.Action, _ = strings.Cut(target, ".")
		req.Body = body
		return nil
	}
	values := r.URL.Query()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		posted, err := url.ParseQuery(string(body))
		if err != nil {
			return Errorf("MalformedQueryString", "The request body is not a valid form: %v", err)
		}
		for k, v := range posted {
			values[k] = v
		}
	}
	req.Form = NewForm(values)
	req.Action = req.Form.Get("Action")
	return nil
}

// find picks the service by the credential scope, and by target or version
// where that leaves a choice.
func (f *Front) find(req *Request, r *http.Request) (Spec, bool) {
	prefix, _, isTarget := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	version := req.Form.Get("Version")
	var byName []Spec
	for _, s := range f.specs {
		if isTarget && s.TargetPrefix == prefix {
			return s, true
		}
		if s.Name == req.Service && (s.Version == "" || version == "" || s.Version == version) {
			byName = append(byName, s)
		}
	}
	if isTarget || len(byName) == 0 {
		return Spec{}, false
	}
	return byName[0], true
}

func (f *Front) unknownService(req *Request, r *http.Request) *Error {
	var names []string
	for _, s := range f.specs {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	what := fmt.Sprintf("The sandbox does not offer the service %q (operation %s); it offers %s.", req.Service, req.Action, strings.Join(slices.Compact(names), ", "))
	if guessProtocol(r) == ProtocolJSON11 {
		return &Error{Code: "UnknownOperationException", Message: what, Status: http.StatusBadRequest}
	}
	return &Error{Code: "InvalidAction", Message: what, Status: http.StatusBadRequest}
}

func (f *Front) protocolOf(req *Request, r *http.Request) Protocol {
	if spec, ok := f.find(req, r); ok {
		return spec.Protocol
	}
	return guessProtocol(r)
}

func (f *Front) namespaceOf(req *Request) string {
	for _, s := range f.specs {
		if s.Name == req.Service {
			return s.Namespace
		}
	}
	return ""
}

// guessProtocol is for callers of no known service.
func guessProtocol(r *http.Request) Protocol {
	if r.Header.Get("X-Amz-Target") != "" || strings.Contains(r.Header.Get("Content-Type"), "json") || strings.HasPrefix(r.URL.Path, "/_sandbox") {
		return ProtocolJSON11
	}
	if strings.Contains(r.Header.Get("Authorization"), "/ec2/aws4_request") {
		return ProtocolEC2
	}
	return ProtocolQuery
}
