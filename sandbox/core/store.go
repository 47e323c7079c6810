package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Store holds every record of the sandbox in memory, and on disk as a log of
// transactions. One lock makes transactions serial: Update runs alone, Views run
// together. A transaction is on disk before Update returns, in one write, so a
// killed process loses nothing it has answered for and never half a change.
//
// Records are kept as JSON: what a transaction reads is its own copy, and a
// failed transaction is undone by putting the old bytes back.
type Store struct {
	mu      sync.RWMutex
	tables  map[string]map[string]json.RawMessage // table -> "scope/id" -> record
	log     *journal                              // nil: memory only
	watches *watchList
}

// OpenStore opens the store in dir, or in memory alone when dir is empty.
func OpenStore(dir string, logger *slog.Logger) (*Store, error) {
	s := &Store{tables: map[string]map[string]json.RawMessage{}, watches: &watchList{}}
	if dir == "" {
		return s, nil
	}
	log, err := openJournal(dir, s.apply, s.snapshot, logger)
	if err != nil {
		return nil, err
	}
	s.log = log
	return s, nil
}

// Close writes everything out and lets go of the directory.
func (s *Store) Close() error {
	if s.log == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.close()
}

// Tx is one transaction. It is valid only inside the function that got it.
type Tx struct {
	store    *Store
	writable bool
	undo     []change // earlier values, in order of change
	order    []change // new values, in order of change
	after    []func()
}

// change is one record's new (or earlier) value; a nil Value is absence.
type change struct {
	Table string          `json:"t"`
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"`
}

// View runs f with a read-only transaction.
func (s *Store) View(f func(tx *Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return f(&Tx{store: s})
}

// Update runs f with a writable transaction: when f fails, nothing of it
// remains. f must not call View or Update, wait for anything, or do I/O; what
// has to happen outside the store goes to Tx.AfterCommit.
func (s *Store) Update(f func(tx *Tx) error) error {
	after, err := s.update(f)
	if err != nil {
		return err
	}
	for _, fn := range after {
		fn()
	}
	return nil
}

func (s *Store) update(f func(tx *Tx) error) (after []func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := &Tx{store: s, writable: true}
	committed := false
	defer func() {
		if !committed {
			tx.rollback()
		}
	}()
	if err := f(tx); err != nil {
		return nil, err
	}
	if len(tx.order) > 0 && s.log != nil {
		if err := s.log.append(tx.order); err != nil {
			return nil, fmt.Errorf("writing the sandbox's state: %w", err)
		}
	}
	committed = true
	if len(tx.order) > 0 {
		s.watches.wake()
	}
	return tx.after, nil
}

// Read runs f with a read-only transaction and returns its result.
func Read[T any](s *Store, f func(tx *Tx) (T, error)) (T, error) {
	var out T
	err := s.View(func(tx *Tx) (err error) {
		out, err = f(tx)
		return err
	})
	return out, err
}

// Write runs f with a writable transaction and returns its result.
func Write[T any](s *Store, f func(tx *Tx) (T, error)) (T, error) {
	var out T
	err := s.Update(func(tx *Tx) (err error) {
		out, err = f(tx)
		return err
	})
	return out, err
}

// AfterCommit registers f to run once the transaction is durable and its lock
// released. f may use the store.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Watch returns a channel that receives after one or more committed changes,
// and a function that ends it. Use it to wake a loop that looks at the store.
func (s *Store) Watch() (changed <-chan struct{}, stop func()) { return s.watches.add() }

// Reset removes every record.
func (s *Store) Reset() error {
	return s.Update(func(tx *Tx) error {
		for table, records := range s.tables {
			keys := make([]string, 0, len(records))
			for key := range records {
				keys = append(keys, key)
			}
			for _, key := range keys {
				tx.set(table, key, nil)
			}
		}
		return nil
	})
}

var errReadOnly = errors.New("the transaction is read-only")

func (tx *Tx) set(table, key string, value json.RawMessage) {
	old := tx.store.tables[table][key]
	tx.undo = append(tx.undo, change{table, key, old})
	c := change{table, key, value}
	tx.order = append(tx.order, c)
	tx.store.apply(c)
}

func (tx *Tx) rollback() {
	for _, c := range slices.Backward(tx.undo) {
		tx.store.apply(c)
	}
}

func (s *Store) apply(c change) {
	records := s.tables[c.Table]
	if c.Value == nil {
		delete(records, c.Key)
		return
	}
	if records == nil {
		records = map[string]json.RawMessage{}
		s.tables[c.Table] = records
	}
	records[c.Key] = c.Value
}

// snapshot lists every record, for the journal to write itself anew.
func (s *Store) snapshot() []change {
	var out []change
	for table, records := range s.tables {
		for key, value := range records {
			out = append(out, change{table, key, value})
		}
	}
	slices.SortFunc(out, func(a, b change) int {
		return strings.Compare(a.Table+"\x00"+a.Key, b.Table+"\x00"+b.Key)
	})
	return out
}

// watchList is the set of channels of Watch.
type watchList struct {
	mu       sync.Mutex
	channels map[chan struct{}]bool
}

func (w *watchList) add() (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := make(chan struct{}, 1)
	if w.channels == nil {
		w.channels = map[chan struct{}]bool{}
	}
	w.channels[ch] = true
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.channels, ch)
	}
}

func (w *watchList) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.channels {
		select {
		case ch <- struct{}{}:
		default: // a wake-up is already waiting
		}
	}
}
