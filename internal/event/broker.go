package event

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthdev/berth/internal/db"
)

const (
	// ringSize is how many of the newest events subscribers share in memory. One
	// that is further behind reads the table until it has caught up.
	ringSize = 2048
	readSize = 500
	// pollEvery bounds how late an event is when a notification is lost.
	pollEvery = 5 * time.Second
)

// Broker reads each new event once and shares it with all subscribers. A
// subscriber pulls, so a slow one keeps nobody waiting.
type Broker struct {
	db *db.DB

	mu sync.Mutex
	// recent holds every event with base < ID <= head.
	recent     []Event
	base, head int64
	started    bool
	// changed is closed and replaced when head grows.
	changed chan struct{}
}

// New returns a broker. Its subscribers wait until Run runs.
func New(d *db.DB) *Broker {
	return &Broker{db: d, changed: make(chan struct{})}
}

// Run follows the table until ctx ends. It also carries the notifications of
// other processes to everybody who uses db.Watch.
func (b *Broker) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.db.Listen(ctx) })
	group.Go(func() error { return b.follow(ctx) })
	return group.Wait()
}

func (b *Broker) follow(ctx context.Context) error {
	woken, stop := b.db.Watch(topic)
	defer stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if err := b.refresh(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-woken:
		case <-poll.C:
		}
	}
}

// start begins at the newest event; on a second Run it keeps what it has.
func (b *Broker) start(ctx context.Context) error {
	id, err := lastID(ctx, b.db)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started {
		b.started = true
		b.base, b.head = id, id
		b.broadcast()
	}
	return nil
}

// refresh reads what is new. Only follow calls it, so head changes only here.
func (b *Broker) refresh(ctx context.Context) error {
	for {
		b.mu.Lock()
		head := b.head
		b.mu.Unlock()
		events, err := listEvents(ctx, b.db, Filter{AllProjects: true}, head, math.MaxInt64, readSize)
		if err != nil || len(events) == 0 {
			return err
		}
		b.mu.Lock()
		b.recent = append(b.recent, events...)
		if over := len(b.recent) - ringSize; over > 0 {
			b.base = b.recent[over-1].ID
			// A new slice, because subscribers may still read the old one.
			b.recent = append(make([]Event, 0, 2*ringSize), b.recent[over:]...)
		}
		b.head = events[len(events)-1].ID
		b.broadcast()
		b.mu.Unlock()
		if len(events) < readSize {
			return nil
		}
	}
}

func (b *Broker) broadcast() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Subscription is one subscriber's place in the stream. It is not safe for
// concurrent use and needs no closing.
type Subscription struct {
	broker  *Broker
	filter  Filter
	cursor  int64
	pending []Event
}

// Subscribe returns the events after afterID that pass the filter: first those in
// the table, then live ones, each once and in order.
func (b *Broker) Subscribe(filter Filter, afterID int64) *Subscription {
	return &Subscription{broker: b, filter: filter, cursor: afterID}
}

// Next waits for the next event, or returns ctx's error. After an error it may be
// called again and loses nothing, so a caller may use a timeout for keep-alives.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for len(s.pending) == 0 {
		if err := ctx.Err(); err != nil {
			return Event{}, err
		}
		wait, err := s.fill(ctx)
		if err != nil {
			return Event{}, err
		}
		if wait == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-wait:
		}
	}
	e := s.pending[0]
	s.pending = s.pending[1:]
	return e, nil
}

// All yields events until ctx ends or the loop is left. The error that ends it is
// yielded last, unless it is that of ctx.
func (s *Subscription) All(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := s.Next(ctx)
			if ctx.Err() != nil {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// fill moves on by one batch. It returns a channel to wait on when there is
// nothing new.
func (s *Subscription) fill(ctx context.Context) (wait <-chan struct{}, err error) {
	b := s.broker
	b.mu.Lock()
	recent, base, head, started, changed := b.recent, b.base, b.head, b.started, b.changed
	b.mu.Unlock()
	if !started {
		return changed, nil
	}
	// An id from the future comes from a database that was since restored.
	s.cursor = min(s.cursor, head)
	if s.cursor == head {
		return changed, nil
	}
	if s.cursor >= base {
		for _, e := range recent {
			if e.ID > s.cursor && s.filter.Matches(e) {
				s.pending = append(s.pending, e)
			}
		}
		s.cursor = head
		return nil, nil
	}
	return nil, s.replay(ctx, head)
}

func (s *Subscription) replay(ctx context.Context, head int64) error {
	events, err := listEvents(ctx, s.broker.db, s.filter, s.cursor, head, readSize)
	if err != nil {
		return err
	}
	s.cursor = head
	if len(events) == readSize {
		s.cursor = events[len(events)-1].ID
	}
	for _, e := range events {
		if s.filter.matchesKind(e.Kind) {
			s.pending = append(s.pending, e)
		}
	}
	return nil
}
