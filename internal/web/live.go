package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/berthdev/berth/internal/event"
)

const (
	// keepAlive is how often a quiet stream says that it is alive, so that proxies do not close it.
	keepAlive = 20 * time.Second
	// pause is how long a stream waits after a change for others that belong to it, so that a burst is drawn once.
	pause = 150 * time.Millisecond
)

// stream is one reader of server-sent events. It ends with its request, and so when the server shuts down.
type stream struct {
	w    http.ResponseWriter
	out  *http.ResponseController
	ok   func() bool // whether the reader may still look
	seed maphash.Seed
	sent map[string]uint64 // what was sent last, by event
}

// stream begins one.
func (s *server) stream(w http.ResponseWriter, r *http.Request) *stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	out := &stream{w: w, out: http.NewResponseController(w), seed: maphash.MakeSeed(), sent: map[string]uint64{}}
	out.ok = func() bool {
		_, _, err := s.Identity.Authenticate(r.Context(), s.cookie(r, sessionCookie))
		return err == nil
	}
	_ = out.write("retry: 1000\n: hello\n\n") // a reader that has gone is noticed at the next write
	return out
}

func (o *stream) write(text string) error {
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.out.Flush()
}

// alive keeps the connection open, unless the session has ended meanwhile.
func (o *stream) alive() bool { return o.ok() && o.write(": alive\n\n") == nil }

// send writes an event. The id, when there is one, is what a reader that comes back tells.
func (o *stream) send(id, name, data string) error {
	var b strings.Builder
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range strings.SplitSeq(data, "\n") {
		b.WriteString("data: " + strings.TrimSuffix(line, "\r") + "\n")
	}
	b.WriteByte('\n')
	return o.write(b.String())
}

// fragment sends a part of a page, unless it is what was sent last.
func (o *stream) fragment(ctx context.Context, id, name string, c templ.Component) error {
	data, err := text(ctx, c)
	if err != nil {
		return err
	}
	sum := maphash.String(o.seed, data)
	if before, ok := o.sent[name]; ok && before == sum {
		return nil
	}
	o.sent[name] = sum
	return o.send(id, name, data)
}

// resumeAt is the id after which a reader wants to go on: what it saw last, which the browser tells when a connection broke
// and our script when it takes up a stream it gave back, or what its page had seen.
func resumeAt(r *http.Request) string {
	q := r.URL.Query()
	return cmp.Or(r.Header.Get("Last-Event-ID"), q.Get("last"), q.Get("feed"))
}

// unknown is where a reader stands that has seen nothing.
const unknown = -1

// lastSeen is the number of the change that a reader saw last.
func lastSeen(r *http.Request) int64 {
	n, err := strconv.ParseInt(resumeAt(r), 10, 64)
	if err != nil {
		return unknown
	}
	return n
}

// follow calls draw after each burst of changes until the request ends. A first look is taken at once when it is unknown
// what the reader has seen. Whatever comes on more, if that is not nil, is done in between, so that only one goroutine
// writes. The toolchain's progress is sent as well, for the banner that every page has.
func (s *server) follow(ctx context.Context, r *http.Request, out *stream, f event.Filter, after int64, more <-chan func() error, draw func(last int64, events []event.Event) error) error {
	group, ctx := errgroup.WithContext(ctx)
	if after == unknown {
		var err error
		if after, err = s.Events.Last(ctx); err != nil {
			return err
		}
		if err := draw(after, nil); err != nil {
			return err
		}
	}
	bursts := make(chan []event.Event)
	group.Go(func() error { return listen(ctx, s.Events.Subscribe(f, after), bursts) })
	tools, stop := s.Tools.Subscribe()
	defer stop()
	group.Go(func() error {
		tick := time.NewTicker(keepAlive)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
				if !out.alive() {
					return errGone
				}
			case snap := <-tools:
				if err := s.sendToolchain(r, out, snap); err != nil {
					return err
				}
			case do := <-more:
				if err := do(); err != nil {
					return err
				}
			case events := <-bursts:
				if err := draw(events[len(events)-1].ID, events); err != nil {
					return err
				}
			}
		}
	})
	return group.Wait()
}

var errGone = errors.New("the reader may not look any more, or has gone")

// listen hands on changes in bursts: one, and those that come with it.
func listen(ctx context.Context, changes *event.Subscription, bursts chan<- []event.Event) error {
	for {
		first, err := changes.Next(ctx)
		if err != nil {
			return err
		}
		events := []event.Event{first}
		wait, cancel := context.WithTimeout(ctx, pause)
		for {
			e, err := changes.Next(wait)
			if err != nil {
				break
			}
			events = append(events, e)
		}
		cancel()
		select {
		case bursts <- events:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ended tells of a stream that broke for another reason than that its reader has gone.
func (s *server) ended(r *http.Request, err error) error {
	if err != nil && r.Context().Err() == nil && !errors.Is(err, errGone) {
		s.Logger.WarnContext(r.Context(), "a stream of changes broke", "path", r.URL.Path, "error", err)
	}
	return nil // the answer has begun; there is no other
}
