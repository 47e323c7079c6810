package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// CreateUserInput describes a new user.
type CreateUserInput struct {
	Email    string
	Name     string
	Password string
	// AnyPassword switches the password policy off. Only Berth itself may do that,
	// for the users of development mode.
	AnyPassword bool
}

func (in CreateUserInput) check() error {
	var fields fault.Fields
	checkEmail(&fields, "email", in.Email)
	checkPersonName(&fields, "name", in.Name)
	if !in.AnyPassword {
		checkPassword(&fields, "password", in.Password, in.Email)
	}
	return fields.Err()
}

// CreateUser makes a user who holds no role yet.
func (s *Service) CreateUser(ctx context.Context, in CreateUserInput) (User, error) {
	in.Email = NormalEmail(in.Email)
	if err := s.audit.Authorize(ctx, authz.UserWrite, "", userObject(User{Email: in.Email})); err != nil {
		return User{}, err
	}
	in.AnyPassword = in.AnyPassword && authz.From(ctx).Kind == authz.SystemKind
	if err := in.check(); err != nil {
		return User{}, err
	}
	hash, err := s.hasher.hash(ctx, in.Password)
	if err != nil {
		return User{}, err
	}
	var user User
	err = s.db.Tx(ctx, func(tx *db.Tx) (err error) {
		if user, err = s.addUser(ctx, tx, in, hash); err != nil {
			return err
		}
		e := entry("user.created", userObject(user))
		e.After = user.visible()
		return s.audit.Record(ctx, tx, e)
	})
	return user, err
}

func (s *Service) addUser(ctx context.Context, tx *db.Tx, in CreateUserInput, hash string) (User, error) {
	user := User{ID: UserID(db.NewID("usr")), Email: in.Email, Name: in.Name, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
	err := insertUser(ctx, tx, user, hash)
	if db.IsUnique(err, "users", "email") {
		return User{}, ErrEmailTaken.With("There already is a user %s.", in.Email)
	}
	if err != nil {
		return User{}, fmt.Errorf("creating user: %w", err)
	}
	return user, nil
}

// GetUser returns a user by email. Everybody may read their own.
func (s *Service) GetUser(ctx context.Context, email string) (User, error) {
	email = NormalEmail(email)
	if email == "" || authz.From(ctx).Email != email {
		if err := s.audit.Authorize(ctx, authz.UserRead, "", userObject(User{Email: email})); err != nil {
			return User{}, err
		}
	}
	return s.userByEmail(ctx, s.db, email)
}

func (s *Service) userByEmail(ctx context.Context, q db.Querier, email string) (User, error) {
	user, err := getUserByEmail(ctx, q, NormalEmail(email))
	if db.NoRows(err) {
		return User{}, userNotFound(email)
	}
	if err != nil {
		return User{}, fmt.Errorf("reading user: %w", err)
	}
	return user, nil
}

// ListUsers returns every user by email.
func (s *Service) ListUsers(ctx context.Context) ([]User, error) {
	if err := s.audit.Authorize(ctx, authz.UserRead, "", userObject(User{})); err != nil {
		return nil, err
	}
	return listUsers(ctx, s.db)
}

// RenameUser changes a user's name. Everybody may change their own.
func (s *Service) RenameUser(ctx context.Context, email, name string) (User, error) {
	email = NormalEmail(email)
	if email == "" || authz.From(ctx).Email != email {
		if err := s.audit.Authorize(ctx, authz.UserWrite, "", userObject(User{Email: email})); err != nil {
			return User{}, err
		}
	}
	var fields fault.Fields
	checkPersonName(&fields, "name", name)
	if err := fields.Err(); err != nil {
		return User{}, err
	}
	return s.changeUser(ctx, email, "user.updated", func(u *User, _ *db.Tx) error {
		u.Name = name
		return nil
	})
}

// DisableUser ends a user's sessions and keeps them from signing in.
func (s *Service) DisableUser(ctx context.Context, email string) (User, error) {
	if err := s.audit.Authorize(ctx, authz.UserWrite, "", userObject(User{Email: NormalEmail(email)})); err != nil {
		return User{}, err
	}
	return s.changeUser(ctx, email, "user.disabled", func(u *User, tx *db.Tx) error {
		if !u.Disabled() {
			u.DisabledAt = tx.Now()
		}
		return deleteSessionsOf(ctx, tx, u.ID, "")
	})
}

// EnableUser undoes DisableUser.
func (s *Service) EnableUser(ctx context.Context, email string) (User, error) {
	if err := s.audit.Authorize(ctx, authz.UserWrite, "", userObject(User{Email: NormalEmail(email)})); err != nil {
		return User{}, err
	}
	return s.changeUser(ctx, email, "user.enabled", func(u *User, _ *db.Tx) error {
		u.DisabledAt = time.Time{}
		return nil
	})
}

// changeUser loads a user, lets change alter it, and saves and records it.
func (s *Service) changeUser(ctx context.Context, email, action string, change func(*User, *db.Tx) error) (User, error) {
	var user User
	err := s.db.Tx(ctx, func(tx *db.Tx) (err error) {
		if user, err = s.userByEmail(ctx, tx, email); err != nil {
			return err
		}
		e := entry(action, userObject(user))
		e.Before = user.visible()
		if err := change(&user, tx); err != nil {
			return err
		}
		user.UpdatedAt = tx.Now()
		if err := updateUser(ctx, tx, user); err != nil {
			return fmt.Errorf("saving user: %w", err)
		}
		if user.Disabled() {
			if err := s.keepAnAdmin(ctx, tx); err != nil {
				return err
			}
		}
		e.After = user.visible()
		return s.audit.Record(ctx, tx, e)
	})
	return user, err
}

// ResetPassword gives a user a new password and ends all their sessions.
func (s *Service) ResetPassword(ctx context.Context, email, password string) error {
	email = NormalEmail(email)
	if err := s.audit.Authorize(ctx, authz.UserWrite, "", userObject(User{Email: email})); err != nil {
		return err
	}
	var fields fault.Fields
	checkPassword(&fields, "password", password, email)
	if err := fields.Err(); err != nil {
		return err
	}
	return s.setPassword(ctx, email, password, "user.password_reset", "")
}

// ChangePassword lets the subject change their own password. Their other sessions
// end; keep is the one that stays.
func (s *Service) ChangePassword(ctx context.Context, current, password string, keep SessionID) error {
	subject := authz.From(ctx)
	if subject.Kind != authz.User {
		return authz.ErrUnauthenticated
	}
	// Counted like a sign-in: a stolen session must not guess the password without end.
	if _, err := s.checkPassword(ctx, subject.Email, current, ""); err != nil {
		if errors.Is(err, ErrWrongPassword) {
			return fault.InvalidField("currentPassword", "is wrong")
		}
		return err
	}
	var fields fault.Fields
	checkPassword(&fields, "password", password, subject.Email)
	if err := fields.Err(); err != nil {
		return err
	}
	return s.setPassword(ctx, subject.Email, password, "user.password_changed", keep)
}

func (s *Service) setPassword(ctx context.Context, email, password, action string, keep SessionID) error {
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		user, err := s.userByEmail(ctx, tx, email)
		if err != nil {
			return err
		}
		err = errors.Join(
			updatePasswordHash(ctx, tx, user.ID, hash, tx.Now()),
			deleteSessionsOf(ctx, tx, user.ID, keep),
			deleteAttempts(ctx, tx, accountKey(user.Email)),
		)
		if err != nil {
			return fmt.Errorf("saving password: %w", err)
		}
		return s.audit.Record(ctx, tx, entry(action, userObject(user)))
	})
}
