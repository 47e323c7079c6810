package event_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/event"
)

func appendEvents(t *testing.T, d *db.DB, events ...event.Event) {
	t.Helper()
	require.NoError(t, d.Tx(t.Context(), func(tx *db.Tx) error { return event.Append(t.Context(), tx, events...) }))
}

// run starts a broker that ends before its database is closed.
func run(t *testing.T, d *db.DB) *event.Broker {
	t.Helper()
	b := event.New(d)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("broker ended with %v", err)
		}
	})
	return b
}

func next(t *testing.T, s *event.Subscription) event.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := s.Next(ctx)
	require.NoError(t, err)
	return e
}

func TestReplayThenLive(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		appendEvents(t, d, event.Event{Kind: "a", ProjectID: "p"}, event.Event{Kind: "b", ProjectID: "p", Data: []byte(`{"x":1}`)})
		b := run(t, d)
		s := b.Subscribe(event.Filter{AllProjects: true}, 0)
		require.Equal(t, "a", next(t, s).Kind)
		second := next(t, s)
		require.Equal(t, "b", second.Kind)
		require.JSONEq(t, `{"x":1}`, string(second.Data))
		require.WithinDuration(t, time.Now(), second.At, time.Minute)

		appendEvents(t, d, event.Event{Kind: "c"})
		require.Equal(t, "c", next(t, s).Kind)
		require.Equal(t, "c", next(t, b.Subscribe(event.Filter{AllProjects: true}, second.ID)).Kind)

		last, err := event.LastID(t.Context(), d)
		require.NoError(t, err)
		future := b.Subscribe(event.Filter{AllProjects: true}, last+1000)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err = future.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		appendEvents(t, d, event.Event{Kind: "d"})
		require.Equal(t, "d", next(t, future).Kind, "works on after a timeout, and from a restored database")
	})
}

func TestRolledBackEventsAreNotSeen(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := run(t, d).Subscribe(event.Filter{AllProjects: true}, 0)
		_ = d.Tx(t.Context(), func(tx *db.Tx) error {
			require.NoError(t, event.Append(t.Context(), tx, event.Event{Kind: "lost"}))
			return errors.New("roll back")
		})
		appendEvents(t, d, event.Event{Kind: "kept"})
		require.Equal(t, "kept", next(t, s).Kind)
	})
}

func TestFilter(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		all := []event.Event{
			{Kind: "run.started", ProjectID: "p1", EnvironmentID: "e1", RunID: "r1"},
			{Kind: "environment.updated", ProjectID: "p1", EnvironmentID: "e1"},
			{Kind: "run.finished", ProjectID: "p2", EnvironmentID: "e2", RunID: "r2"},
			{Kind: "runner.lost", ProjectID: "p1"},
			{Kind: "end", ProjectID: "p1", EnvironmentID: "e1", RunID: "r1"},
			{Kind: "end", ProjectID: "p2", EnvironmentID: "e2", RunID: "r2"},
		}
		appendEvents(t, d, all...) // replayed
		b := run(t, d)
		for name, tt := range map[string]struct {
			filter event.Filter
			want   []string
		}{
			"project":     {event.Filter{ProjectIDs: []string{"p1"}}, []string{"run.started", "environment.updated", "runner.lost", "end"}},
			"environment": {event.Filter{AllProjects: true, EnvironmentID: "e2"}, []string{"run.finished", "end"}},
			"run":         {event.Filter{AllProjects: true, RunID: "r1"}, []string{"run.started", "end"}},
			"kinds":       {event.Filter{AllProjects: true, Kinds: []string{"run.", "end"}}, []string{"run.started", "run.finished", "end", "end"}},
		} {
			replayed := b.Subscribe(tt.filter, 0)
			for _, want := range tt.want {
				require.Equal(t, want, next(t, replayed).Kind, name)
			}
		}
		live := b.Subscribe(event.Filter{ProjectIDs: []string{"p2"}}, 6)
		appendEvents(t, d, all...)
		require.Equal(t, "run.finished", next(t, live).Kind)
		require.Equal(t, "end", next(t, live).Kind)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := b.Subscribe(event.Filter{}, 0).Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "a filter without a project shows nothing")
	})
}

// Writers, subscribers that come at any time and one that is far behind: each
// sees every event once, in order.
func TestNoGapAndNoRepeat(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const writers, each = 4, 800 // more than the ring holds
		b := run(t, d)
		slow := b.Subscribe(event.Filter{AllProjects: true}, 0)
		var group sync.WaitGroup
		seen := make([][]int64, 3)
		for i := range seen {
			group.Go(func() {
				for e, err := range b.Subscribe(event.Filter{AllProjects: true}, 0).All(t.Context()) {
					if err != nil {
						return // the counts below tell
					}
					seen[i] = append(seen[i], e.ID)
					if len(seen[i]) == writers*each {
						return
					}
				}
			})
		}
		for w := range writers {
			group.Go(func() {
				for n := range each / 10 {
					batch := make([]event.Event, 10)
					for i := range batch {
						batch[i] = event.Event{Kind: fmt.Sprintf("w%d.%d", w, n)}
					}
					err := d.Tx(t.Context(), func(tx *db.Tx) error { return event.Append(t.Context(), tx, batch...) })
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		seen = append(seen, nil)
		for range writers * each {
			seen[3] = append(seen[3], next(t, slow).ID)
		}
		want, err := db.List(t.Context(), d, db.Value[int64], "SELECT id FROM events ORDER BY id")
		require.NoError(t, err)
		require.Len(t, want, writers*each)
		for i := range seen {
			require.Equal(t, want, seen[i], "subscriber %d", i)
		}
	})
}

func TestNotificationsCrossProcesses(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	open := func() *db.DB {
		d, err := db.Open(t.Context(), db.Config{URL: url})
		require.NoError(t, err)
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	s := run(t, open()).Subscribe(event.Filter{AllProjects: true}, 0)
	other := open()
	appendEvents(t, other, event.Event{Kind: "first"})
	require.Equal(t, "first", next(t, s).Kind)
	start := time.Now()
	appendEvents(t, other, event.Event{Kind: "second"})
	require.Equal(t, "second", next(t, s).Kind)
	require.Less(t, time.Since(start), 3*time.Second, "woken, not polled")
}

func TestTrim(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		appendEvents(t, d, event.Event{Kind: "old", At: now.AddDate(0, 0, -2)}, event.Event{Kind: "new"})
		n, err := event.Trim(t.Context(), d, now.AddDate(0, 0, -1))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		kinds, err := db.List(t.Context(), d, db.Value[string], "SELECT kind FROM events")
		require.NoError(t, err)
		require.Equal(t, []string{"new"}, kinds)
	}, dbtest.Clock(func() time.Time { return now }))
}
