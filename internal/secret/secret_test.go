package secret_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/secret"
)

func newKeyring(t *testing.T) (*secret.Keyring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys", "berth.key")
	ring, err := secret.OpenKeyring(path)
	require.NoError(t, err)
	return ring, path
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	ring, _ := newKeyring(t)
	sealed, err := ring.Seal([]byte("hunter2"), []byte("context/1"))
	require.NoError(t, err)
	require.False(t, bytes.Contains(sealed, []byte("hunter2")))
	again, err := ring.Seal([]byte("hunter2"), []byte("context/1"))
	require.NoError(t, err)
	require.NotEqual(t, sealed, again)

	plain, err := ring.Open(sealed, []byte("context/1"))
	require.NoError(t, err)
	require.Equal(t, "hunter2", string(plain))

	_, err = ring.Open(sealed, []byte("context/2"))
	require.ErrorIs(t, err, secret.ErrCiphertext, "moved to another owner")
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		_, err = ring.Open(damaged, []byte("context/1"))
		require.ErrorIs(t, err, secret.ErrCiphertext, "byte %d", i)
	}
	for n := range sealed {
		_, err = ring.Open(sealed[:n], []byte("context/1"))
		require.ErrorIs(t, err, secret.ErrCiphertext, "%d bytes", n)
	}
}

func TestDataKeys(t *testing.T) {
	t.Parallel()
	ring, path := newKeyring(t)
	key, wrapped, err := ring.NewDataKey()
	require.NoError(t, err)
	sealed, err := key.Seal([]byte("state"), nil)
	require.NoError(t, err)

	reopened, err := secret.OpenKeyring(path)
	require.NoError(t, err)
	same, err := reopened.Unwrap(wrapped)
	require.NoError(t, err)
	plain, err := same.Open(sealed, nil)
	require.NoError(t, err)
	require.Equal(t, "state", string(plain))

	_, err = ring.Open(sealed, nil)
	require.ErrorIs(t, err, secret.ErrCiphertext)
}

func TestWrongAndLostKeyAreDetected(t *testing.T) {
	t.Parallel()
	ring, path := newKeyring(t)
	check, err := ring.CheckValue()
	require.NoError(t, err)
	require.NoError(t, ring.Check(check))

	other, _ := newKeyring(t)
	_, err = other.Seal([]byte("x"), nil)
	require.NoError(t, err)
	require.ErrorIs(t, other.Check(check), secret.ErrKeyWrong)
	require.ErrorIs(t, ring.Check("not base64!"), secret.ErrKeyWrong)

	require.NoError(t, os.Remove(path))
	lost, err := secret.OpenKeyring(path)
	require.NoError(t, err)
	require.ErrorIs(t, lost.Check(check), secret.ErrKeyMissing)
	_, err = lost.Open([]byte("anything"), nil)
	require.ErrorIs(t, err, secret.ErrKeyMissing)
	require.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, []byte("berth-key-v1:c2hvcnQ=\n"), 0o600))
	_, err = secret.OpenKeyring(path)
	require.ErrorIs(t, err, secret.ErrKeyWrong)
}

func TestKeyFileIsPrivateAndMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "berth.key")
	sealed := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range sealed {
		wg.Go(func() {
			if ring, err := secret.OpenKeyring(path); err == nil {
				sealed[i], _ = ring.Seal([]byte("x"), nil)
			}
		})
	}
	wg.Wait()
	ring, err := secret.OpenKeyring(path)
	require.NoError(t, err)
	for _, s := range sealed {
		_, err := ring.Open(s, nil)
		require.NoError(t, err, "every keyring uses the one key file")
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
