// Package audit records who did what, from where, and what was refused. An entry
// is written in the transaction of the change it tells of, so neither exists
// without the other. It must not know the objects it tells of, and it never
// stores secret values.
package audit

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/authz"
)

// ID identifies an entry; ids sort by time.
type ID string

// Outcome says how an action ended.
type Outcome string

// The outcomes. The zero value of an entry's outcome means Succeeded.
const (
	Succeeded Outcome = "succeeded"
	Failed    Outcome = "failed"
	Refused   Outcome = "refused"
)

// ClientKind says through what somebody acts.
type ClientKind string

// The kinds of client.
const (
	Browser ClientKind = "browser"
	CLI     ClientKind = "cli"
	API     ClientKind = "api"
)

// Client is where a request comes from.
type Client struct {
	Kind      ClientKind
	IP        string
	UserAgent string
	RequestID string
}

type clientKey struct{}

// WithClient returns a context whose entries carry this client.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientFrom returns the client of the context, if any.
func ClientFrom(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}

// Object is what an action is about.
type Object struct {
	Kind string
	ID   string
	Name string
}

// Entry is one line of the audit log. A caller of Record fills in what happened
// to what; who, when and from where come from the context.
type Entry struct {
	ID         ID
	At         time.Time
	ActorKind  authz.SubjectKind
	ActorID    string
	ActorName  string
	Client     Client
	Action     string
	ObjectKind string
	ObjectID   string
	ObjectName string
	ProjectID  string
	Outcome    Outcome
	// Before and After are the object's visible parts around a change. They are
	// stored as JSON and read back as json.RawMessage.
	Before, After any
}

// ListFilter selects entries. ProjectID is the boundary that is authorised: empty
// means the whole organisation. Cursor is Page.Next of the page before.
type ListFilter struct {
	ProjectID  string
	ActorID    string
	ObjectKind string
	ObjectID   string
	Action     string
	Outcome    Outcome
	From, To   time.Time
	Cursor     string
	Limit      int
}

// Page is a part of the log, newest first. Next is empty on the last page.
type Page struct {
	Entries []Entry
	Next    string
}

// Hidden stands where a secret value would be.
const Hidden = "(hidden)"

// encode turns a before or after value into JSON. Fields whose names speak of a
// secret are hidden: callers should not pass them, and this holds when one does.
func encode(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return "", err
	}
	data, err = json.Marshal(hide(tree))
	return string(data), err
}

func hide(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if _, isBool := value.(bool); !isBool && value != nil && speaksOfSecret(name) {
				v[name] = Hidden
			} else {
				v[name] = hide(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = hide(v[i])
		}
	}
	return v
}

func speaksOfSecret(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	for _, word := range []string{"password", "passwd", "token", "secret", "privatekey", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
