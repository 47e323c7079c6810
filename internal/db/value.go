package db

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// Micros is how a time is stored: microseconds since 1970 in UTC.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the opposite of Micros.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// NullMicros stores the zero time as null.
func NullMicros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// NullText stores the empty text as null.
func NullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ScanTime is a destination for a time column; null becomes the zero time.
func ScanTime(t *time.Time) any { return timeScanner{t} }

type timeScanner struct{ t *time.Time }

func (s timeScanner) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*s.t = time.Time{}
	case int64:
		*s.t = Time(src)
	default:
		return scanError{src}
	}
	return nil
}

// ScanText is a destination for a text column; null becomes the empty text.
func ScanText[S ~string](s *S) any { return textScanner[S]{s} }

type textScanner[S ~string] struct{ s *S }

func (t textScanner[S]) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*t.s = ""
	case string:
		*t.s = S(src)
	case []byte:
		*t.s = S(src)
	default:
		return scanError{src}
	}
	return nil
}

// failedValue is an argument that could not be encoded.
type failedValue struct{ err error }

func (f failedValue) Value() (driver.Value, error) { return nil, f.err }

// idEncoding has Crockford's alphabet, in lower case: it sorts as its bytes do
// and has no letters that look like digits.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a new identifier: the prefix, then 26 characters that sort by
// the time of making (64 bits of nanoseconds, so that even the rows of one
// transaction keep their order) and are unique (64 random bits).
func NewID(prefix string) string {
	// 128 bits need 26 characters, which hold 130; the seventeenth byte only fills up.
	var raw [17]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(time.Now().UnixNano())) //nolint:forbidigo // an id is no fact about the domain
	_, _ = rand.Read(raw[8:16])                                        // never fails: crypto/rand ends the program instead
	return prefix + "_" + idEncoding.EncodeToString(raw[:])[:26]
}

type scanError struct{ src any }

func (e scanError) Error() string { return "scanning an unexpected column type" }
