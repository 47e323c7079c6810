package db

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// notifyChannel is the one PostgreSQL channel; the payload is the topic.
const notifyChannel = "berth"

// signals wakes the watchers of a topic in this process.
type signals struct {
	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{}
}

// Watch returns a channel that gets a value after a transaction that called
// Notify with this topic was committed; several become one. It is a hint to look
// again, so look once after Watch, too. Call stop when done.
func (d *DB) Watch(topic string) (woken <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	s := &d.signals
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers == nil {
		s.watchers = map[string]map[chan struct{}]struct{}{}
	}
	if s.watchers[topic] == nil {
		s.watchers[topic] = map[chan struct{}]struct{}{}
	}
	s.watchers[topic][ch] = struct{}{}
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers[topic], ch)
		if len(s.watchers[topic]) == 0 {
			delete(s.watchers, topic)
		}
	}
}

// wake signals the watchers of a topic, or all with an empty topic.
func (s *signals) wake(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, watchers := range s.watchers {
		if topic != "" && name != topic {
			continue
		}
		for ch := range watchers {
			select {
			case ch <- struct{}{}:
			default: // it has not yet looked since the last signal
			}
		}
	}
}

// Notify wakes the watchers of a topic once the transaction is committed: in
// this process, and on PostgreSQL in every process that runs Listen.
func (tx *Tx) Notify(ctx context.Context, topic string) error {
	tx.AfterCommit(func() { tx.db.signals.wake(topic) })
	if tx.db.dialect != Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_notify($1, $2)", notifyChannel, topic)
	return err
}

// Listen passes on what other processes notify, until ctx ends. A lost
// connection is opened again, and then all watchers are woken because a signal
// may have been missed. On SQLite there is no other process, so it only waits.
func (d *DB) Listen(ctx context.Context) error {
	if d.dialect != Postgres {
		<-ctx.Done()
		return ctx.Err()
	}
	const firstWait, maxWait = 100 * time.Millisecond, 10 * time.Second
	wait := firstWait
	for {
		err := d.listenOnce(ctx, func() { wait = firstWait })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.logger.WarnContext(ctx, "lost the notification connection; opening it again", "error", err, "wait", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, maxWait)
	}
}

func (d *DB) listenOnce(ctx context.Context, connected func()) (err error) {
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return err
	}
	defer func() {
		// ctx may be over, and the server should still hear of the end.
		closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(closeCtx))
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return err
	}
	connected()
	d.signals.wake("")
	for {
		var n *pgconn.Notification
		if n, err = conn.WaitForNotification(ctx); err != nil {
			return err
		}
		d.signals.wake(n.Payload)
	}
}
