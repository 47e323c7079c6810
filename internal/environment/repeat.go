package environment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

const (
	maxRequestKey  = 200
	keepRequestKey = 24 * time.Hour
)

// request is what a repeated create must have in common with the first one.
func (in CreateInput) request() ([]byte, error) {
	in.RequestKey = ""
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("writing a request: %w", err)
	}
	return text, nil
}

func keyBinding(userID, key string) []byte { return []byte("request key " + userID + " " + key) }

// repeated returns what an earlier create with the same key has made. It reports false when there was none.
func (s *Service) repeated(ctx context.Context, in CreateInput) (Environment, bool, error) {
	if in.RequestKey == "" {
		return Environment{}, false, nil
	}
	if len(in.RequestKey) > maxRequestKey {
		return Environment{}, false, fault.InvalidField("Idempotency-Key",
			fmt.Sprintf("The key must be at most %d characters long; yours has %d.", maxRequestKey, len(in.RequestKey)))
	}
	user := authz.From(ctx).UserID
	var sealed []byte
	var id ID
	err := s.DB.QueryRowContext(ctx, `SELECT request, environment_id FROM request_keys WHERE user_id = $1 AND name = $2 AND expires_at > $3`,
		user, in.RequestKey, db.Micros(s.DB.Now())).Scan(&sealed, &id)
	if db.NoRows(err) {
		return Environment{}, false, nil
	}
	if err != nil {
		return Environment{}, false, fmt.Errorf("looking for an earlier request: %w", err)
	}
	first, err := s.Keyring.Open(sealed, keyBinding(user, in.RequestKey))
	if err != nil {
		return Environment{}, false, fmt.Errorf("opening an earlier request: %w", err)
	}
	now, err := in.request()
	if err != nil {
		return Environment{}, false, err
	}
	if !bytes.Equal(first, now) {
		return Environment{}, false, ErrKeyReused
	}
	e, err := s.get(ctx, s.DB, "e.id = $1", id)
	if fault.KindOf(err) == fault.NotFound {
		return Environment{}, false, ErrKeySpent
	}
	if err != nil {
		return Environment{}, false, err
	}
	e, err = s.hide(ctx, e)
	return e, true, err
}

// keepRequest remembers what a create has made, and forgets what is too old to be repeated.
func (s *Service) keepRequest(ctx context.Context, tx *db.Tx, in CreateInput, made ID) error {
	if in.RequestKey == "" {
		return nil
	}
	text, err := in.request()
	if err != nil {
		return err
	}
	user := authz.From(ctx).UserID
	sealed, err := s.Keyring.Seal(text, keyBinding(user, in.RequestKey))
	if err != nil {
		return fmt.Errorf("sealing a request: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM request_keys WHERE expires_at <= $1`, db.Micros(tx.Now())); err != nil {
		return fmt.Errorf("forgetting old requests: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO request_keys (user_id, name, request, environment_id, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		user, in.RequestKey, sealed, made, db.Micros(tx.Now().Add(keepRequestKey)))
	if errors.Is(err, db.ErrUnique) {
		return errRepeatedMeanwhile
	}
	if err != nil {
		return fmt.Errorf("remembering a request: %w", err)
	}
	return nil
}
