package core

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tags are the key and value pairs of an object.
type Tags map[string]string

// Tag is one pair.
type Tag struct{ Key, Value string }

// Keys returns the keys in order.
func (t Tags) Keys() []string {
	out := make([]string, 0, len(t))
	for k := range t {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Sorted returns the pairs ordered by key.
func (t Tags) Sorted() []Tag {
	out := make([]Tag, 0, len(t))
	for _, k := range t.Keys() {
		out = append(out, Tag{Key: k, Value: t[k]})
	}
	return out
}

// With returns a copy with set added and unset removed.
func (t Tags) With(set Tags, unset []string) Tags {
	out := Tags{}
	for k, v := range t {
		out[k] = v
	}
	for k, v := range set {
		out[k] = v
	}
	for _, k := range unset {
		delete(out, k)
	}
	return out
}

// Timestamp is a time in AWS's forms: ISO 8601 in XML, seconds since the epoch
// in JSON. The zero time is null in JSON; use omitempty and a pointer to leave it out.
type Timestamp struct{ time.Time }

// At makes a Timestamp with milliseconds, which is what AWS keeps.
func At(t time.Time) Timestamp { return Timestamp{t.UTC().Truncate(time.Millisecond)} }

// AtPtr is At for optional members.
func AtPtr(t time.Time) *Timestamp {
	ts := At(t)
	return &ts
}

// MarshalJSON writes seconds since the epoch.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	ms := t.UnixMilli()
	return []byte(fmt.Sprintf("%d.%03d", ms/1000, ms%1000)), nil
}

// UnmarshalJSON reads seconds since the epoch.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = Timestamp{}
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("reading a timestamp: %w", err)
	}
	*t = Timestamp{time.UnixMilli(int64(f*1000 + 0.5)).UTC()}
	return nil
}

// MarshalXML writes ISO 8601.
func (t Timestamp) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if t.IsZero() {
		return nil
	}
	return e.EncodeElement(t.UTC().Format("2006-01-02T15:04:05.000Z"), start)
}

// Items is a list in ec2's XML: <name><item/>...</name>, present when empty.
type Items[T any] []T

// MarshalXML writes the wrapper and one item element per value.
func (l Items[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return encodeList(e, start, "item", l)
}

// Members is a list in query XML: <Name><member/>...</Name>, present when empty.
type Members[T any] []T

// MarshalXML writes the wrapper and one member element per value.
func (l Members[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return encodeList(e, start, "member", l)
}

func encodeList[T any](e *xml.Encoder, start xml.StartElement, name string, list []T) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for i := range list {
		if err := e.EncodeElement(list[i], xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// NewID makes an identifier in ec2's form: vpc-0123456789abcdef0.
func NewID(prefix string) string { return prefix + "-0" + Hex(16) }

// Hex returns n random hexadecimal digits.
func Hex(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b) // never fails, by crypto/rand's contract
	return hex.EncodeToString(b)[:n]
}

// NewUniqueID makes an identifier in iam's form: AROA and 17 capitals or digits.
func NewUniqueID(prefix string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, 17)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return prefix + string(b)
}

// NewUUID makes a random UUID.
func NewUUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// RandomInt returns a number in [0,n).
func RandomInt(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0
	}
	return int(v.Int64())
}

// ARN makes an ARN of the sandbox's account. iam's region is "".
func ARN(service, region, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + AccountID + ":" + resource
}

// Page cuts items, which must be ordered by key, to at most limit (zero:
// all), starting after the item that token names, and returns the token of the
// next page.
func Page[T any](items []T, key func(T) string, token string, limit int) (page []T, next string, err error) {
	start := 0
	if token != "" {
		raw, decodeErr := base64.RawURLEncoding.DecodeString(token)
		if decodeErr != nil || !strings.HasPrefix(string(raw), "k:") {
			return nil, "", Errorf("InvalidNextToken", "The token '%s' is not valid.", token)
		}
		after := string(raw[2:])
		start = len(items)
		for i := range items {
			// Later keys count too: the named item may be gone by now.
			if key(items[i]) > after {
				start = i
				break
			}
		}
	}
	items = items[start:]
	if limit <= 0 || len(items) <= limit {
		return items, "", nil
	}
	items = items[:limit]
	return items, base64.RawURLEncoding.EncodeToString([]byte("k:" + key(items[limit-1]))), nil
}
