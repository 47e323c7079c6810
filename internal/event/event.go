// Package event keeps what happened, in order: rows appended in the transaction
// of the transition they tell of, and a broker that hands them to whoever
// watches. It must not know what the events mean.
package event

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/db"
)

// Event is one thing that happened. IDs grow in the order of commit.
type Event struct {
	ID            int64           `json:"id"`
	At            time.Time       `json:"at"`
	Kind          string          `json:"kind"`
	ProjectID     string          `json:"projectId,omitempty"`
	EnvironmentID string          `json:"environmentId,omitempty"`
	RunID         string          `json:"runId,omitempty"`
	StepID        string          `json:"stepId,omitempty"`
	Data          json.RawMessage `json:"data,omitempty"`
}

// Filter says which events a subscriber gets. Empty fields match everything,
// except that no project at all matches nothing: a forgotten project list must
// not show somebody else's events.
type Filter struct {
	AllProjects   bool
	ProjectIDs    []string
	EnvironmentID string
	RunID         string
	// Kinds are whole kinds ("run.finished") or, ending in a dot, prefixes ("run.").
	Kinds []string
}

// Matches reports whether the filter lets an event through.
func (f Filter) Matches(e Event) bool {
	return (f.AllProjects || slices.Contains(f.ProjectIDs, e.ProjectID)) &&
		(f.EnvironmentID == "" || f.EnvironmentID == e.EnvironmentID) &&
		(f.RunID == "" || f.RunID == e.RunID) &&
		f.matchesKind(e.Kind)
}

func (f Filter) matchesKind(kind string) bool {
	return len(f.Kinds) == 0 || slices.ContainsFunc(f.Kinds, func(k string) bool {
		return k == kind || strings.HasSuffix(k, ".") && strings.HasPrefix(kind, k)
	})
}

const (
	topic = "events"
	// appendLock serialises transactions that append, from the first append to the
	// commit, so that a higher id is never visible before a lower one: a reader that
	// has seen id 7 will never miss 6.
	appendLock = 0x6265727468 // "berth"
)

// Append writes events in the transaction of the transition they tell of. A zero
// At becomes the time of the transaction. Append as late in the transaction as
// you can: on PostgreSQL others wait from here to the commit.
func Append(ctx context.Context, tx *db.Tx, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	if lock := tx.Dialect().AdvisoryLock(appendLock); lock != "" {
		if _, err := tx.ExecContext(ctx, lock); err != nil {
			return fmt.Errorf("appending events: %w", err)
		}
	}
	for _, e := range events {
		if err := insertEvent(ctx, tx, e); err != nil {
			return fmt.Errorf("appending event %s: %w", e.Kind, err)
		}
	}
	return tx.Notify(ctx, topic)
}

// Trim deletes events older than before and returns how many there were.
// Subscribers that are further behind simply start with the oldest event left.
func Trim(ctx context.Context, d *db.DB, before time.Time) (int64, error) {
	const batch = 5000 // so that no writer waits for long
	var total int64
	for {
		var n int64
		err := d.Tx(ctx, func(tx *db.Tx) (err error) {
			n, err = deleteBefore(ctx, tx, before, batch)
			return err
		})
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}

// LastID returns the id of the newest event, or 0. A page reads it before it
// reads its data, and subscribes after it.
func LastID(ctx context.Context, q db.Querier) (int64, error) { return lastID(ctx, q) }
