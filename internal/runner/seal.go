package runner

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// sealMagic begins every sealed file; the digit is the version of the format.
const sealMagic = "BRT1"

// seal encrypts data. what is bound to the ciphertext, so a file cannot be passed off as another one.
func seal(key, data []byte, what string) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(sealMagic)+gcm.NonceSize(), len(sealMagic)+gcm.NonceSize()+len(data)+gcm.Overhead())
	copy(out, sealMagic)
	nonce := out[len(sealMagic):]
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return gcm.Seal(out, nonce, data, []byte(what)), nil
}

func unseal(key, sealed []byte, what string) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	n := len(sealMagic) + gcm.NonceSize()
	if len(sealed) < n || string(sealed[:len(sealMagic)]) != sealMagic {
		return nil, errors.New("unsealing " + what + ": not a sealed file")
	}
	data, err := gcm.Open(nil, sealed[len(sealMagic):n], sealed[n:], []byte(what))
	if err != nil {
		return nil, fmt.Errorf("unsealing %s: wrong data key or damaged file", what)
	}
	return data, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("data key: %d bytes, 32 are needed", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
