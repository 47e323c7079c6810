package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Collection is the typed view of one kind of record, keyed by scope (a region,
// or Global) and id. It holds no data itself and may be made anywhere.
type Collection[T any] struct{ table string }

// NewCollection names the records of a service's kind: NewCollection[vpc]("ec2", "vpc").
func NewCollection[T any](service, kind string) Collection[T] {
	return Collection[T]{table: service + "/" + kind}
}

// Get returns a copy of the record; ok is false when there is none.
func (c Collection[T]) Get(tx *Tx, scope, id string) (value T, ok bool) {
	raw, ok := tx.store.tables[c.table][recordKey(scope, id)]
	if !ok {
		return value, false
	}
	c.decode(raw, id, &value)
	return value, true
}

// Has reports whether the record exists.
func (c Collection[T]) Has(tx *Tx, scope, id string) bool {
	_, ok := tx.store.tables[c.table][recordKey(scope, id)]
	return ok
}

// Put creates or replaces the record.
func (c Collection[T]) Put(tx *Tx, scope, id string, value T) {
	if !tx.writable {
		panic(errReadOnly)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		// A record type that cannot be written is a programmer's mistake.
		panic(fmt.Errorf("encoding %s %s: %w", c.table, id, err))
	}
	tx.set(c.table, recordKey(scope, id), raw)
}

// Delete removes the record and reports whether it existed.
func (c Collection[T]) Delete(tx *Tx, scope, id string) bool {
	if !tx.writable {
		panic(errReadOnly)
	}
	if !c.Has(tx, scope, id) {
		return false
	}
	tx.set(c.table, recordKey(scope, id), nil)
	return true
}

// List returns copies of a scope's records, ordered by id.
func (c Collection[T]) List(tx *Tx, scope string) []T {
	return c.list(tx, scope+"/")
}

// All returns copies of every scope's records, ordered by scope and id.
func (c Collection[T]) All(tx *Tx) []T { return c.list(tx, "") }

// Find returns the first record of the scope, by id, for which match is true.
func (c Collection[T]) Find(tx *Tx, scope string, match func(T) bool) (value T, ok bool) {
	for _, v := range c.List(tx, scope) {
		if match(v) {
			return v, true
		}
	}
	return value, false
}

// Scopes returns the scopes that hold records, in order.
func (c Collection[T]) Scopes(tx *Tx) []string {
	var out []string
	for key := range tx.store.tables[c.table] {
		scope, _, _ := strings.Cut(key, "/")
		if !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	slices.Sort(out)
	return out
}

func (c Collection[T]) list(tx *Tx, prefix string) []T {
	records := tx.store.tables[c.table]
	keys := make([]string, 0, len(records))
	for key := range records {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	out := make([]T, len(keys))
	for i, key := range keys {
		c.decode(records[key], key, &out[i])
	}
	return out
}

func (c Collection[T]) decode(raw json.RawMessage, id string, value *T) {
	if err := json.Unmarshal(raw, value); err != nil {
		// Every record was encoded from this type; one that does not decode
		// means state of another program version that nobody migrated.
		panic(fmt.Errorf("decoding %s %s: %w", c.table, id, err))
	}
}

// recordKey joins scope and id. Scopes hold no slash, so the first one divides.
func recordKey(scope, id string) string { return scope + "/" + id }

// IDs returns the ids of a scope's records, in order.
func (c Collection[T]) IDs(tx *Tx, scope string) []string {
	var out []string
	prefix := scope + "/"
	for key := range tx.store.tables[c.table] {
		if id, ok := strings.CutPrefix(key, prefix); ok {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
