package httpapi

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/internal/authz"
)

// stream makes a route of a handler that checks first and then writes the body itself.
func stream[In any](path string, p authz.Permission, tag, summary, contentType string, h func(*server, context.Context, *In) (func(huma.Context), error)) route {
	r := newRoute(http.MethodGet, path, p, tag, summary)
	r.add = func(a huma.API, s *server, r route) {
		operation := r.operation(a)
		operation.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{contentType: {}}}
		huma.Register(a, operation, func(ctx context.Context, in *In) (*huma.StreamResponse, error) {
			send, err := h(s, ctx, in)
			if err != nil {
				return nil, s.refuse(ctx, err)
			}
			return &huma.StreamResponse{Body: func(out huma.Context) {
				out.SetHeader("Content-Type", contentType)
				out.SetHeader("X-Content-Type-Options", "nosniff")
				send(out)
			}}, nil
		})
	}
	return r
}

// flushing sends every write on at once.
type flushing struct{ w io.Writer }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		f.flush()
	}
	return n, err
}

func (f flushing) flush() {
	if flusher, ok := f.w.(http.Flusher); ok {
		flusher.Flush()
	}
}
