package runner

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaskForms(t *testing.T) {
	t.Parallel()
	secret := "s3cr\"et\\<&>${x}/val?ue"
	m := newMasker([]string{secret, "ab", "", "abc123", "c123xyz", "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"})
	js, err := json.Marshal(secret)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"plain":          secret,
		"json":           string(js),
		"hcl":            hclEscaped(secret),
		"base64":         base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 url":     base64.URLEncoding.EncodeToString([]byte(secret)),
		"key line":       "    MIIEvQIBADANBg",
		"overlap":        "abc123xyz",
		"within base64 ": base64.StdEncoding.EncodeToString([]byte("user:" + secret + ":more")),
		"within base641": base64.StdEncoding.EncodeToString([]byte("user1:" + secret + ":more")),
		"within base642": base64.StdEncoding.EncodeToString([]byte("user12:" + secret + ":more")),
	} {
		got := m.text("a " + text + " b")
		require.Contains(t, got, Mark, name)
		require.NotContains(t, got, "s3cr", name)
		require.NotContains(t, got, "MIIE", name)
		if !strings.HasPrefix(name, "within") {
			require.LessOrEqual(t, len(strings.ReplaceAll(got, Mark, "")), len(`a "="  =  b    `), "%s: %s", name, got)
		}
	}
	require.Equal(t, "ab is too short to mask", m.text("ab is too short to mask"))
}

func FuzzMaskWriter(f *testing.F) {
	f.Add("secret-value", "xyxyx", "say secret-value and\nxyxyxyx secret-", uint8(3), uint8(8))
	f.Add("aaaa", "aabb", "aaaaaaaabbaaaa", uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, a, b, text string, chunk, limit uint8) {
		m := newMasker([]string{a, b})
		whole := string(m.bytes([]byte(text)))
		if strings.Contains(a+b, "\n") {
			// Parts of a secret of several lines are patterns of their own; the comparison below holds all the same.
			t.Log("several lines")
		}
		var out bytes.Buffer
		w := newMaskWriter(m, &out)
		w.maxLine = int(limit)
		size := int(chunk)%7 + 1
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != whole {
			t.Fatalf("in chunks %q, whole %q", out.String(), whole)
		}
		for _, p := range m.patterns {
			if !strings.ContainsRune(string(p), '•') && !bytes.Contains([]byte(Mark), p) && bytes.Contains(out.Bytes(), p) && len(m.patterns) > 0 {
				t.Fatalf("%q is in %q", p, out.String())
			}
		}
	})
}

func TestRecorderCutsOffATornRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "records")
	rec, err := openRecorder(path)
	require.NoError(t, err)
	_, err = rec.add(true, Record{Kind: KindNotice, Notice: &Notice{Code: "one"}})
	require.NoError(t, err)
	require.NoError(t, rec.close())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"seq":2,"kind":"not`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	rec, err = openRecorder(path)
	require.NoError(t, err)
	seq, err := rec.add(false, Record{Kind: KindNotice, Notice: &Notice{Code: "two"}})
	require.NoError(t, err)
	require.Equal(t, int64(2), seq)
	require.NoError(t, rec.close())
	f, err = os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var codes []string
	require.NoError(t, scanRecords(f, 0, func(r Record) bool {
		codes = append(codes, r.Notice.Code)
		return true
	}))
	require.Equal(t, []string{"one", "two"}, codes)
}

func TestSealBindsNameAndKey(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{7}, 32)
	sealed, err := seal(key, []byte("hello"), "state 1")
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "hello")
	got, err := unseal(key, sealed, "state 1")
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	_, err = unseal(key, sealed, "state 2")
	require.Error(t, err)
	_, err = unseal(bytes.Repeat([]byte{8}, 32), sealed, "state 1")
	require.Error(t, err)
	sealed[len(sealed)-1] ^= 1
	_, err = unseal(key, sealed, "state 1")
	require.Error(t, err)
}
