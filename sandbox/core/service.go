package core

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"
)

// AccountID is the one account of the sandbox.
const AccountID = "000000000000"

// Protocol is the wire format of a service.
type Protocol string

// The protocols AWS's services use here.
const (
	ProtocolEC2    Protocol = "ec2"    // form in, XML out, ec2's own envelope
	ProtocolQuery  Protocol = "query"  // form in, XML out (sts, iam, elasticloadbalancing)
	ProtocolJSON10 Protocol = "json10" // X-Amz-Target, application/x-amz-json-1.0
	ProtocolJSON11 Protocol = "json11" // X-Amz-Target, application/x-amz-json-1.1
)

// Spec says how a service is recognised and answered.
type Spec struct {
	// Name is the service name of the SigV4 credential scope: ec2, iam, ecs,
	// elasticloadbalancing, logs, ecr, tagging.
	Name string
	// Title is the name people know: "Elastic Container Service".
	Title    string
	Protocol Protocol
	// Namespace is the xmlns of answers (XML protocols).
	Namespace string
	// Version is the API version of form calls; with it two services can share
	// a credential scope. Empty accepts every version.
	Version string
	// TargetPrefix is the part of X-Amz-Target before the dot (JSON protocols).
	TargetPrefix string
	// Operations maps the action's name to its handler. An operation that is
	// not here is answered with the protocol's own "unknown operation" error.
	Operations map[string]Handler
}

// Request is one authenticated AWS call.
type Request struct {
	ID        string
	Service   string
	Action    string
	Region    string
	AccountID string
	AccessKey string
	// Form holds the parameters of ec2 and query calls.
	Form Form
	// Body is the raw body of JSON calls; see Decode.
	Body   []byte
	Header http.Header
	// Host is the Host header, as the caller reached the sandbox.
	Host string
}

// Decode reads the JSON body into v. An empty body leaves v as it is.
func (r *Request) Decode(v any) error {
	if len(r.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Body, v); err != nil {
		return Errorf("SerializationException", "The request body of %s is not valid: %v", r.Action, err)
	}
	return nil
}

// Handler carries out one operation. The result is encoded by the service's
// protocol: with encoding/xml for ec2 and query (the struct's fields become the
// content of the response or result element), with encoding/json otherwise. A
// nil result is an empty answer. Errors should be *Error; anything else is
// answered as an internal failure.
type Handler func(ctx context.Context, r *Request) (any, error)

// JSON adapts a function with a typed input to a Handler of a JSON service.
func JSON[In, Out any](f func(ctx context.Context, r *Request, in In) (Out, error)) Handler {
	return func(ctx context.Context, r *Request) (any, error) {
		var in In
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
		return f(ctx, r, in)
	}
}

// Service is one AWS service. It may also implement Inventoried, Runner,
// Resetter, Router, FaultInjector and Tagger.
type Service interface {
	Spec() Spec
}

// Inventoried lists what a service holds that its owner would still have to
// delete: no built-in object and nothing inactive, stopped or deleted.
type Inventoried interface {
	Inventory(tx *Tx) map[string][]Item
}

// Item is one object of the inventory.
type Item struct {
	ID   string            `json:"id"`
	ARN  string            `json:"arn"`
	Name string            `json:"name"`
	Tags map[string]string `json:"tags"`
}

// Runner is a service with work of its own. Run blocks until ctx ends; an error
// that is not ctx's stops the sandbox.
type Runner interface {
	Run(ctx context.Context) error
}

// Resetter is a service with things outside the store (containers, listeners)
// that a reset must end. It is called after the store was emptied, so that
// nothing it looks up is there any more.
type Resetter interface {
	Reset(ctx context.Context) error
}

// Router is a service with plain HTTP paths beside AWS's protocol, for example
// an image registry under /v2/. The guard checks Host and Origin, the handler
// everything else.
type Router interface {
	// Routes maps a path prefix that ends in a slash to its handler.
	Routes() map[string]http.Handler
}

// FaultInjector offers failures by name, called with POST
// /_sandbox/faults/{name} and a JSON object of strings.
type FaultInjector interface {
	FaultHooks() map[string]FaultHook
}

// FaultHook makes one failure happen; the result is sent to the caller as JSON.
type FaultHook func(ctx context.Context, args map[string]string) (any, error)

// Tagger lets the tagging service read and change tags of another service's
// objects by ARN.
type Tagger interface {
	// TaggedResources lists every object of a region that can carry tags.
	TaggedResources(tx *Tx, region string) []Item
	// SetTags adds and replaces set and removes the keys of unset. found is
	// false when the service has no such object.
	SetTags(tx *Tx, arn string, set Tags, unset []string) (found bool, err error)
}

// Clock tells the time, in UTC.
type Clock interface {
	Now() time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now returns the current time in UTC.
func (SystemClock) Now() time.Time { return time.Now().UTC() }

// Env is what every service is made with.
type Env struct {
	Store  *Store
	Clock  Clock
	Logger *slog.Logger
	// Addr is the host:port the sandbox listens on, known before services are
	// made, so that answers can name it.
	Addr string
	// DataDir is the sandbox's own folder; a service keeps its files in a
	// subfolder of its name. Empty means nothing is kept on disk.
	DataDir string
	Notes   *Notes
	Events  *Events
}
