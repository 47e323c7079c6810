// Package secret encrypts what must not be read from a stolen database or
// backup: envelope encryption with AES-256-GCM. The keyring's key lies in a file
// outside the data directory; each object may have a data key of its own, wrapped
// by the keyring. It must not know what it encrypts nor where that is stored.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/berthdev/berth/internal/fault"
)

// What can be wrong with keys and ciphertexts.
var (
	ErrKeyMissing = fault.New(fault.Unavailable, "key_missing", "The encryption key file is missing.")
	ErrKeyWrong   = fault.New(fault.Unavailable, "key_wrong", "The encryption key is not the one this database was encrypted with.")
	ErrCiphertext = fault.New(fault.Internal, "ciphertext_damaged", "A stored secret cannot be decrypted.")
)

const (
	keySize    = 32
	idSize     = 4
	filePrefix = "berth-key-v1:"
	// A sealed text is: version, key id, nonce, ciphertext with tag.
	version    = 1
	headerSize = 1 + idSize
)

// Key encrypts and decrypts. It is safe for concurrent use.
type Key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// Seal encrypts plaintext. aad is not stored: Open needs the same, so naming the
// owner there ("context/ctx_1/PASSWORD") keeps a ciphertext from being moved.
func (k *Key) Seal(plaintext, aad []byte) ([]byte, error) {
	out := make([]byte, headerSize+k.aead.NonceSize(), headerSize+k.aead.NonceSize()+len(plaintext)+k.aead.Overhead())
	out[0] = version
	copy(out[1:], k.id[:])
	nonce := out[headerSize:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return k.aead.Seal(out, nonce, plaintext, k.bind(aad)), nil
}

// Open decrypts what Seal made.
func (k *Key) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < headerSize+k.aead.NonceSize()+k.aead.Overhead() || sealed[0] != version {
		return nil, ErrCiphertext.Because(errors.New("not a sealed text"))
	}
	if [idSize]byte(sealed[1:headerSize]) != k.id {
		return nil, ErrCiphertext.Because(fmt.Errorf("sealed with key %x, not with %x", sealed[1:headerSize], k.id))
	}
	body := sealed[headerSize:]
	nonce, ciphertext := body[:k.aead.NonceSize()], body[k.aead.NonceSize():]
	plaintext, err := k.aead.Open(nil, nonce, ciphertext, k.bind(aad))
	if err != nil {
		return nil, ErrCiphertext.Because(err)
	}
	return plaintext, nil
}

// bind adds the header to the authenticated data.
func (k *Key) bind(aad []byte) []byte {
	bound := make([]byte, 0, headerSize+len(aad))
	bound = append(bound, version)
	bound = append(bound, k.id[:]...)
	return append(bound, aad...)
}

func newKey(raw []byte) (*Key, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(append([]byte("berth key id "), raw...))
	return &Key{id: [idSize]byte(sum[:idSize]), aead: aead}, nil
}

// Keyring holds the key that the data keys are wrapped with.
type Keyring struct {
	path string
	mu   sync.Mutex
	key  *Key // nil while there is no key file
}

// OpenKeyring reads the key file at path. A missing file is made (0600) by the
// first Seal. So where the database holds a check value, call Check first: it
// fails when the key is lost, instead of a new key hiding that.
func OpenKeyring(path string) (*Keyring, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Keyring{path: path}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the encryption key: %w", err)
	}
	key, err := parseKeyFile(path, content)
	if err != nil {
		return nil, err
	}
	return &Keyring{path: path, key: key}, nil
}

func parseKeyFile(path string, content []byte) (*Key, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(string(content)), filePrefix)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) != keySize {
		return nil, ErrKeyWrong.With("%s is not an encryption key file of Berth. Restore it from its backup.", path)
	}
	return newKey(raw)
}

// NewKeyring returns a keyring for a key of 32 bytes.
func NewKeyring(raw []byte) (*Keyring, error) {
	if len(raw) != keySize {
		return nil, fmt.Errorf("an encryption key has %d bytes, not %d", keySize, len(raw))
	}
	key, err := newKey(raw)
	if err != nil {
		return nil, err
	}
	return &Keyring{key: key}, nil
}

// existing returns the key, or ErrKeyMissing while there is none.
func (k *Keyring) existing() (*Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		return nil, ErrKeyMissing.With("The encryption key file %s is missing, but the database holds encrypted values. "+
			"Restore the file from its backup; without it the stored secrets cannot be read.", k.path)
	}
	return k.key, nil
}

// ensure returns the key and makes the file when there is none yet.
func (k *Keyring) ensure() (*Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != nil {
		return k.key, nil
	}
	content, err := createKeyFile(k.path)
	if err != nil {
		return nil, fmt.Errorf("making the encryption key: %w", err)
	}
	k.key, err = parseKeyFile(k.path, content)
	return k.key, err
}

// createKeyFile writes a complete file under another name and links it into
// place, so that of two servers that start at once both use the same key.
func createKeyFile(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	raw := make([]byte, keySize)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // made with mode 0600
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.WriteString(filePrefix + base64.StdEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

// Seal encrypts with the keyring's key; see Key.Seal.
func (k *Keyring) Seal(plaintext, aad []byte) ([]byte, error) {
	key, err := k.ensure()
	if err != nil {
		return nil, err
	}
	return key.Seal(plaintext, aad)
}

// Open decrypts what Seal made.
func (k *Keyring) Open(sealed, aad []byte) ([]byte, error) {
	key, err := k.existing()
	if err != nil {
		return nil, err
	}
	return key.Open(sealed, aad)
}

const checkText = "berth key check"

// CheckValue returns what to store beside the encrypted data, so that Check can
// tell a wrong key at the next start.
func (k *Keyring) CheckValue() (string, error) {
	sealed, err := k.Seal([]byte(checkText), []byte(checkText))
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// Check reports whether this is the key that made the check value: ErrKeyMissing
// when there is no key file, ErrKeyWrong when it holds another key.
func (k *Keyring) Check(value string) error {
	key, err := k.existing()
	if err != nil {
		return err
	}
	sealed, err := base64.StdEncoding.DecodeString(value)
	if err == nil {
		_, err = key.Open(sealed, []byte(checkText))
	}
	if err == nil {
		return nil
	}
	return ErrKeyWrong.With("The encryption key (id %x) is not the one this database was encrypted with. "+
		"Restore the key file that belongs to this database.", key.id).Because(err)
}

const wrapText = "berth data key"

// NewDataKey makes a key for one object. wrapped is what to store beside the
// object; Unwrap gives the key back.
func (k *Keyring) NewDataKey() (plain *Key, wrapped []byte, err error) {
	raw := make([]byte, keySize)
	if _, err := rand.Read(raw); err != nil {
		return nil, nil, err
	}
	if wrapped, err = k.Seal(raw, []byte(wrapText)); err != nil {
		return nil, nil, err
	}
	plain, err = newKey(raw)
	return plain, wrapped, err
}

// Unwrap returns the data key that NewDataKey wrapped.
func (k *Keyring) Unwrap(wrapped []byte) (*Key, error) {
	raw, err := k.Open(wrapped, []byte(wrapText))
	if err != nil {
		return nil, err
	}
	return newKey(raw)
}
