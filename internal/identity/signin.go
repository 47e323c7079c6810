package identity

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// How many failed attempts are free before each further one doubles the wait.
// Many people may share an address, so it has more.
const (
	freePerAccount = 5
	freePerAddress = 30
	maxBackoff     = 15 * time.Minute
)

// backoff is how long the next attempt must wait after a number of failures.
func backoff(failures, free int) time.Duration {
	over := failures - free
	if over < 0 {
		return 0
	}
	if over > 20 {
		return maxBackoff
	}
	return min(time.Second<<over, maxBackoff)
}

func accountKey(email string) string { return "account:" + NormalEmail(email) }

// addressKey is empty for a client without an address. A holder of IPv6 has a
// whole /64 to choose from, so that counts as one.
func addressKey(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		return "address:" + netip.PrefixFrom(addr, 64).Masked().String()
	}
	return "address:" + addr.String()
}

// SignIn checks a password and starts a session. The token is returned this once.
// Whether the account exists cannot be told from the answer nor from its time.
func (s *Service) SignIn(ctx context.Context, email, password string, client audit.Client) (token string, session Session, err error) {
	email = NormalEmail(email)
	ctx = audit.WithClient(ctx, client)
	user, err := s.checkPassword(ctx, email, password, client.IP)
	if err != nil {
		return "", Session{}, err
	}
	token, tokenHash := newToken()
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		session = newSession(user.ID, client, tx.Now())
		if err := insertSession(ctx, tx, session, tokenHash); err != nil {
			return fmt.Errorf("starting session: %w", err)
		}
		if err := setLastSignIn(ctx, tx, user.ID, tx.Now()); err != nil {
			return fmt.Errorf("starting session: %w", err)
		}
		actor := authz.WithSubject(ctx, authz.Subject{Kind: authz.User, UserID: string(user.ID), Email: user.Email, Name: user.Name})
		return s.audit.Record(actor, tx, entry("session.created", userObject(user)))
	})
	if err != nil {
		return "", Session{}, err
	}
	return token, session, nil
}

// checkPassword returns the user whose password this is. It counts failures.
func (s *Service) checkPassword(ctx context.Context, email, password, ip string) (User, error) {
	// The look at the counters happens inside the slot, so at most as many guesses
	// as there are slots get past them at once.
	leave, err := s.hasher.enter(ctx)
	if err != nil {
		return User{}, err
	}
	defer leave()
	if err := s.checkAttempts(ctx, email, ip); err != nil {
		return User{}, err
	}
	user, hash, err := getCredentials(ctx, s.db, email)
	if err != nil && !db.NoRows(err) {
		return User{}, fmt.Errorf("reading user: %w", err)
	}
	if len(password) > maxPassword {
		password = "" // no password is empty, so this fails, in the usual time
	}
	ok, outdated, err := s.hasher.verifyInSlot(hash, password)
	if err != nil {
		return User{}, err
	}
	if !ok {
		return User{}, s.refuseSignIn(ctx, user, email, ip)
	}
	if user.Disabled() {
		return User{}, ErrUserDisabled
	}
	newHash := ""
	if outdated {
		newHash = s.hasher.hashInSlot(password)
	}
	return user, s.db.Tx(ctx, func(tx *db.Tx) error {
		if newHash != "" {
			if err := updatePasswordHash(ctx, tx, user.ID, newHash, tx.Now()); err != nil {
				return fmt.Errorf("renewing password hash: %w", err)
			}
		}
		return deleteAttempts(ctx, tx, accountKey(email))
	})
}

// checkAttempts refuses while the account or the address has to wait.
func (s *Service) checkAttempts(ctx context.Context, email, ip string) error {
	until, err := blockedUntil(ctx, s.db, accountKey(email), addressKey(ip))
	if err != nil {
		return fmt.Errorf("reading sign-in attempts: %w", err)
	}
	if wait := until.Sub(s.db.Now()); wait > 0 {
		seconds := int64((wait + time.Second - 1) / time.Second)
		return ErrTooManyAttempts.With("Too many attempts to sign in. Try again in %s.", plural(seconds))
	}
	return nil
}

func plural(seconds int64) string {
	switch {
	case seconds == 1:
		return "1 second"
	case seconds < 120:
		return fmt.Sprintf("%d seconds", seconds)
	default:
		return fmt.Sprintf("%d minutes", (seconds+59)/60)
	}
}

// refuseSignIn counts and records a failure and returns what to answer.
func (s *Service) refuseSignIn(ctx context.Context, user User, email, ip string) error {
	e := entry("session.create", userObject(user))
	e.Outcome = audit.Failed
	if user.ID == "" {
		// What was typed may well be a password in the wrong field.
		e.ObjectName = "(unknown account)"
	}
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := countFailure(ctx, tx, accountKey(email), freePerAccount); err != nil {
			return fmt.Errorf("counting sign-in attempt: %w", err)
		}
		if key := addressKey(ip); key != "" {
			if err := countFailure(ctx, tx, key, freePerAddress); err != nil {
				return fmt.Errorf("counting sign-in attempt: %w", err)
			}
		}
		return s.audit.Record(ctx, tx, e)
	})
	if err != nil {
		return err
	}
	return ErrWrongPassword
}
