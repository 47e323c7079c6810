package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
)

// argonParams are the cost of one hash. They are stored in each hash, so changing
// them affects new passwords at once and old ones at their next sign-in.
type argonParams struct {
	memoryKiB uint32
	passes    uint32
	threads   uint8
}

const (
	saltSize = 16
	hashSize = 32
)

// defaultArgon is OWASP's second choice, 19 MiB and two passes: about 20 ms.
func defaultArgon() argonParams { return argonParams{memoryKiB: 19 * 1024, passes: 2, threads: 1} }

// hasher hashes a few passwords at a time, so that many sign-ins at once queue
// up instead of taking all memory.
type hasher struct {
	params argonParams
	slots  chan struct{}
}

func newHasher(cheap bool) *hasher {
	params := defaultArgon()
	if cheap {
		params = argonParams{memoryKiB: 8, passes: 1, threads: 1}
	}
	return &hasher{params: params, slots: make(chan struct{}, min(max(runtime.NumCPU(), 2), 8))}
}

// enter waits for a slot. The caller calls leave when it has hashed.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash waits for a slot and returns a password's hash in the usual text form.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return h.hashInSlot(password), nil
}

// hashInSlot is hash for a caller that has a slot already.
func (h *hasher) hashInSlot(password string) string {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	return encodeHash(h.params, salt, derive(password, salt, h.params))
}

func derive(password string, salt []byte, p argonParams) []byte {
	return argon2.IDKey([]byte(password), salt, p.passes, p.memoryKiB, p.threads, hashSize)
}

// verifyInSlot reports whether password is the one of stored, and whether stored
// was made with other parameters than today's. With an empty stored hash it takes
// the same time and says no. The caller has a slot.
func (h *hasher) verifyInSlot(stored, password string) (ok, outdated bool, err error) {
	params, salt, want := h.params, make([]byte, saltSize), make([]byte, hashSize)
	if stored != "" {
		if params, salt, want, err = decodeHash(stored); err != nil {
			return false, false, err
		}
	}
	same := subtle.ConstantTimeCompare(derive(password, salt, params), want) == 1
	return same && stored != "", params != h.params, nil
}

func encodeHash(p argonParams, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memoryKiB, p.passes, p.threads,
		b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func decodeHash(stored string) (p argonParams, salt, sum []byte, err error) {
	parts := strings.Split(stored, "$")
	malformed := errors.New("stored password hash is malformed")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, malformed
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memoryKiB, &p.passes, &p.threads); err != nil {
		return p, nil, nil, malformed
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	sum, sumErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || sumErr != nil || len(sum) != hashSize {
		return p, nil, nil, malformed
	}
	return p, salt, sum, nil
}
