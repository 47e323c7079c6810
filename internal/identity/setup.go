package identity

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

const setupSetting = "setup_token_sha256"

// SetupInput describes the first administrator. Token is what PrepareSetup
// returned.
type SetupInput struct {
	Token    string
	Email    string
	Name     string
	Password string
}

// NeedsSetup reports whether there is no user yet. Anybody may know.
func (s *Service) NeedsSetup(ctx context.Context) (bool, error) {
	n, err := countUsers(ctx, s.db)
	if err != nil {
		return false, fmt.Errorf("counting users: %w", err)
	}
	return n == 0, nil
}

// PrepareSetup returns a new set-up token to print at start, or an empty one when
// Berth is set up. Only Berth itself may ask. The token of an earlier start no
// longer works.
func (s *Service) PrepareSetup(ctx context.Context) (string, error) {
	if err := authz.Require(ctx, authz.SettingsWrite, ""); err != nil {
		return "", err
	}
	token, hash := newSetupToken()
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := countUsers(ctx, tx)
		if err != nil || n > 0 {
			token = ""
			return err
		}
		return setSetting(ctx, tx, setupSetting, hex.EncodeToString(hash), tx.Now())
	})
	if err != nil {
		return "", fmt.Errorf("preparing set-up: %w", err)
	}
	return token, nil
}

func newSetupToken() (string, []byte) {
	token := db.NewID("setup") + db.NewID("")
	return token, hashToken(token)
}

// Setup makes the first user, who becomes Organisation Admin. It works once.
func (s *Service) Setup(ctx context.Context, in SetupInput) (User, error) {
	user := CreateUserInput{Email: NormalEmail(in.Email), Name: in.Name, Password: in.Password}
	if err := s.checkSetupToken(ctx, s.db, in.Token); err != nil {
		return User{}, err
	}
	if err := user.check(); err != nil {
		return User{}, err
	}
	hash, err := s.hasher.hash(ctx, in.Password)
	if err != nil {
		return User{}, err
	}
	var admin User
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if lock := tx.Dialect().AdvisoryLock(adminLock); lock != "" {
			if _, err := tx.ExecContext(ctx, lock); err != nil {
				return err
			}
		}
		// Again, now that nobody else can be between this check and the change.
		if err := s.checkSetupToken(ctx, tx, in.Token); err != nil {
			return err
		}
		admin, err = s.addUser(ctx, tx, user, hash)
		if err != nil {
			return err
		}
		binding := Binding{ID: BindingID(db.NewID("rol")), UserID: admin.ID, UserEmail: admin.Email, Role: authz.OrganisationAdmin, CreatedAt: tx.Now()}
		if err := insertBinding(ctx, tx, binding); err != nil {
			return fmt.Errorf("granting role: %w", err)
		}
		if err := deleteSetting(ctx, tx, setupSetting); err != nil {
			return fmt.Errorf("ending set-up: %w", err)
		}
		actor := authz.WithSubject(ctx, authz.Subject{Kind: authz.User, UserID: string(admin.ID), Email: admin.Email, Name: admin.Name})
		return s.audit.Record(actor, tx, entry("organisation.set_up", userObject(admin)))
	})
	return admin, err
}

func (s *Service) checkSetupToken(ctx context.Context, q db.Querier, token string) error {
	n, err := countUsers(ctx, q)
	if err != nil {
		return fmt.Errorf("counting users: %w", err)
	}
	if n > 0 {
		return ErrSetupDone
	}
	stored, err := getSetting(ctx, q, setupSetting)
	if err != nil && !db.NoRows(err) {
		return fmt.Errorf("reading set-up token: %w", err)
	}
	// Comparing hashes tells an attacker nothing about the token by its time.
	want, decodeErr := hex.DecodeString(stored)
	if stored == "" || decodeErr != nil || !bytes.Equal(want, hashToken(token)) {
		return ErrSetupToken
	}
	return nil
}
