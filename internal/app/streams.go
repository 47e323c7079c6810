package app

import (
	"context"
	"net/http"
	"sync"
)

// streams are the answers that last as long as somebody listens. At the end of the server they are ended at once, while
// all other requests are finished.
type streams struct {
	mu    sync.Mutex
	ended bool
	open  map[*stream]context.CancelFunc
}

func newStreams() *streams { return &streams{open: map[*stream]context.CancelFunc{}} }

func (s *streams) add(w *stream, cancel context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		cancel()
		return
	}
	s.open[w] = cancel
}

func (s *streams) remove(w *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, w)
}

func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, cancel := range s.open {
		cancel()
	}
}

// watch finds the streams among the requests: those that flush before they are done.
func (s *streams) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		st := &stream{ResponseWriter: w}
		st.began = sync.OnceFunc(func() { s.add(st, cancel) })
		defer s.remove(st)
		next.ServeHTTP(st, r.WithContext(ctx))
	})
}

type stream struct {
	http.ResponseWriter
	began func()
}

// Flush passes on.
func (s *stream) Flush() {
	s.began()
	if f, ok := s.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController find what lies below.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }
