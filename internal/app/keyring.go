package app

import (
	"context"
	"fmt"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/secret"
)

const keyCheck = "key_check"

// openKeyring opens the key file and makes sure that it is the one the database was written with. A new key is made only
// for a database that has none yet: with a lost key a new one would hide the loss.
func openKeyring(ctx context.Context, d *db.DB, path string) (*secret.Keyring, error) {
	keyring, err := secret.OpenKeyring(path)
	if err != nil {
		return nil, fmt.Errorf("opening the key file: %w", err)
	}
	err = d.Tx(ctx, func(tx *db.Tx) error {
		var value string
		err := tx.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = $1`, keyCheck).Scan(&value)
		if err == nil {
			return keyring.Check(value)
		}
		if !db.NoRows(err) {
			return fmt.Errorf("reading the key's check value: %w", err)
		}
		if value, err = keyring.CheckValue(); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3)`, keyCheck, value, db.Micros(tx.Now())); err != nil {
			return fmt.Errorf("keeping the key's check value: %w", err)
		}
		return nil
	})
	return keyring, err
}
