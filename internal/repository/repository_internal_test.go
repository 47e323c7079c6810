package repository

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoConnectionToMetadataAddresses(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"169.254.169.254:80", "[fe80::1%lo]:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80"} {
		_, err := dialer().DialContext(t.Context(), "tcp", addr)
		require.ErrorIs(t, err, ErrAddress, addr)
	}
}

func TestBoundedReader(t *testing.T) {
	t.Parallel()
	text, err := io.ReadAll(&bounded{r: strings.NewReader("12345"), left: 5})
	require.NoError(t, err)
	require.Equal(t, "12345", string(text))
	text, err = io.ReadAll(&bounded{r: strings.NewReader("123456"), left: 5})
	require.ErrorIs(t, err, errTooMuch)
	require.Equal(t, "12345", string(text))
}

func TestDeltaResult(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		bytes []byte
		want  int64
	}{
		{nil, 0},
		{[]byte{5, 7, 0xff}, 7},
		{[]byte{0x80, 0x01, 0x85, 0x02, 0xff}, 5 | 2<<7},
		{[]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f}, 1<<32 - 1},
		{[]byte{1, 0xff}, 0x7f},
	} {
		h := &head{}
		for _, b := range tc.bytes {
			_, err := h.Write([]byte{b})
			require.NoError(t, err)
		}
		require.Equal(t, tc.want, h.deltaResult(), "%x", tc.bytes)
	}
}

func TestPlainHidesSecretsAndControlCharacters(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b *** c", plain("a\x1b\n b\thunter22 c\x00", []string{"hunter22"}))
	require.Len(t, []rune(plain(strings.Repeat("ä", 500), nil)), 201)
}

func TestRevisionNames(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"main", "feature/one", "v1.0.0", "0123abc", "refs/heads/x", "a@b", "äöü"} {
		require.True(t, validRevision(good), good)
	}
	for _, bad := range []string{"", "-x", "a b", "a..b", "a~1", "a^", "HEAD@{1}", "x:y", "a\x00", "x/", "x.lock", strings.Repeat("x", 300)} {
		require.False(t, validRevision(bad), bad)
	}
}

func TestFailureIsAFaultWithItsCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := error(fail(ErrAuth, cause, "Do this.", "It is %s.", "wrong"))
	require.ErrorIs(t, err, ErrAuth)
	require.ErrorIs(t, err, cause)
	require.Contains(t, err.Error(), "It is wrong. Do this.")
}
