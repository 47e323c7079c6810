package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/authz"
)

// none is the input or output of an operation without one.
type none struct{}

// body wraps the JSON body of an answer.
type body[T any] struct{ Body T }

// tagged wraps the JSON body of an answer about something that is edited under a revision.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"The revision in quotation marks. Send it as If-Match with an update."`
	Body T
}

// Two permissions that are no row of the table of package authz.
const (
	anyone  authz.Permission = "anyone"   // also those who are not signed in
	anyUser authz.Permission = "any user" // whoever is signed in; what is shown is their own
)

// route is one operation: what it is, whom it is for, and what carries it out.
type route struct {
	method, path string
	permission   authz.Permission // what the service requires
	summary, tag string
	status       int
	note         string // what the description says beside the permission
	maxBody      int64  // of a request, where it is not huma's default
	bodyTime     time.Duration
	archive      bool // the body of a request is an archive
	add          func(huma.API, *server, route)
}

func newRoute(method, path string, p authz.Permission, tag, summary string) route {
	return route{method: method, path: path, permission: p, summary: summary, tag: tag, status: http.StatusOK}
}

// noted adds what is to be known beside the permission.
func (r route) noted(text string) route {
	r.note = text
	return r
}

// large is for bodies of more than the usual size; the answer of a POST that makes nothing by itself is 200.
func (r route) large(limit int64, limitTime time.Duration) route {
	r.maxBody, r.bodyTime, r.status = limit, limitTime, http.StatusOK
	return r
}

// uploading is for a POST whose body is an archive, which the handler reads itself.
func (r route) uploading() route {
	r.archive = true
	return r
}

// asking is for a POST that makes nothing, so that it does not answer that it did.
func (r route) asking() route {
	r.status = http.StatusOK
	return r
}

// op makes a route of a handler.
func op[In, Out any](method, path string, p authz.Permission, tag, summary string, h func(*server, context.Context, *In) (Out, error)) route {
	r := newRoute(method, path, p, tag, summary)
	var out Out
	if _, empty := any(out).(none); empty {
		r.status = http.StatusNoContent
	} else if method == http.MethodPost {
		r.status = http.StatusCreated
	}
	r.add = func(a huma.API, s *server, r route) {
		operation := r.operation(a)
		if r.status == http.StatusNoContent {
			huma.Register(a, operation, func(ctx context.Context, in *In) (*none, error) {
				_, err := h(s, ctx, in)
				return nil, s.refuse(ctx, err)
			})
			return
		}
		huma.Register(a, operation, func(ctx context.Context, in *In) (*body[Out], error) {
			v, err := h(s, ctx, in)
			if err != nil {
				return nil, s.refuse(ctx, err)
			}
			return &body[Out]{v}, nil
		})
	}
	return r
}

// taggedOp is op for answers that are one environment: they carry its revision as entity tag.
func taggedOp[In any](method, path string, p authz.Permission, tag, summary string, h func(*server, context.Context, *In) (api.Environment, error)) route {
	r := newRoute(method, path, p, tag, summary)
	if method == http.MethodPost {
		r.status = http.StatusCreated
	}
	r.add = func(a huma.API, s *server, r route) {
		huma.Register(a, r.operation(a), func(ctx context.Context, in *In) (*tagged[api.Environment], error) {
			v, err := h(s, ctx, in)
			if err != nil {
				return nil, s.refuse(ctx, err)
			}
			return &tagged[api.Environment]{strconv.Quote(strconv.Itoa(v.Revision)), v}, nil
		})
	}
	return r
}

// operation describes the route. Its error answers are written out, because huma would describe its own error type.
func (r route) operation(a huma.API) huma.Operation {
	out := huma.Operation{
		OperationID: operationID(r.method, r.path), Method: r.method, Path: api.Prefix + r.path, DefaultStatus: r.status,
		Summary: r.summary, Tags: []string{r.tag}, Description: strings.TrimSpace(permissionText(r.permission) + " " + r.note), Responses: map[string]*huma.Response{},
	}
	out.MaxBodyBytes, out.BodyReadTimeout = r.maxBody, r.bodyTime
	if r.archive {
		out.RequestBody = &huma.RequestBody{
			Required: true, Description: "The archive: zip, tar, tar.gz or tar.zst, told apart by its content.",
			Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		}
	}
	if r.permission == anyone {
		out.Security = []map[string][]string{}
	}
	schema := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Error](), true, "Error")
	for _, status := range r.errorStatuses() {
		out.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status), Content: map[string]*huma.MediaType{problemType: {Schema: schema}},
		}
	}
	return out
}

// errorStatuses lists what a client has to reckon with.
func (r route) errorStatuses() []int {
	list := []int{http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	switch r.permission {
	case anyone:
		list = append(list, http.StatusTooManyRequests)
	case anyUser:
	default:
		list = append(list, http.StatusForbidden)
	}
	if strings.Contains(r.path, "{") {
		list = append(list, http.StatusNotFound)
	}
	if r.method != http.MethodGet {
		list = append(list, http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if r.method == http.MethodPatch {
		list = append(list, http.StatusPreconditionFailed)
	}
	return list
}

func permissionText(p authz.Permission) string {
	switch p {
	case anyone:
		return "Needs no session."
	case anyUser:
		return "Needs a session, whatever the user's roles."
	default:
		return "Needs the permission " + string(p) + "."
	}
}

func operationID(method, path string) string {
	id := strings.ToLower(method)
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			id += "-" + strings.Trim(part, "{}")
		}
	}
	return id
}
