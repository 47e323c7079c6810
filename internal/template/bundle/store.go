package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/zstd"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"

	"github.com/berthdev/berth/internal/fault"
)

// ErrNotFound is a digest that the store does not hold.
var ErrNotFound = fault.New(fault.NotFound, "bundle_not_found", "the template's archive is missing from the store")

// Store keeps bundles under their digest, and an unpacked copy of those in use.
type Store struct {
	bucket *blob.Bucket
	cache  string

	mu        sync.Mutex
	unpacking map[string]*sync.Mutex
}

// NewStore keeps archives in bucket and unpacked copies in folders below cache.
func NewStore(bucket *blob.Bucket, cache string) *Store {
	return &Store{bucket: bucket, cache: cache, unpacking: map[string]*sync.Mutex{}}
}

// OpenFolder opens a bucket in a folder, which is made when missing.
func OpenFolder(dir string) (*blob.Bucket, error) {
	b, err := fileblob.OpenBucket(dir, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("opening blob folder: %w", err)
	}
	return b, nil
}

func key(digest string) string { return "blobs/" + digest }

func validDigest(digest string) bool {
	raw, err := hex.DecodeString(digest)
	return err == nil && len(raw) == sha256.Size
}

// Put stores a packed bundle. Storing the same one twice is not an error; one that
// was stored long ago is written anew, so that it is not taken for unused.
func (s *Store) Put(ctx context.Context, b *Bundle) error {
	if held, err := s.fresh(ctx, b.Digest); err != nil || held {
		return err
	}
	if err := s.bucket.WriteAll(ctx, key(b.Digest), b.archive, &blob.WriterOptions{ContentType: "application/zstd"}); err != nil {
		return fmt.Errorf("writing bundle: %w", err)
	}
	return nil
}

// Has reports whether the store holds the digest.
func (s *Store) Has(ctx context.Context, digest string) (bool, error) {
	if !validDigest(digest) {
		return false, nil
	}
	held, err := s.bucket.Exists(ctx, key(digest))
	if err != nil {
		return false, fmt.Errorf("looking for bundle: %w", err)
	}
	return held, nil
}

// Archive returns the compressed archive (tar.zst), for sending to an agent.
func (s *Store) Archive(ctx context.Context, digest string) ([]byte, error) {
	if !validDigest(digest) {
		return nil, ErrNotFound
	}
	data, err := s.bucket.ReadAll(ctx, key(digest))
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading bundle: %w", err)
	}
	return data, nil
}

// Unpack returns a folder with the bundle's files. It is made once, and appears
// whole or not at all. Its files are read-only; nothing may be added to it.
func (s *Store) Unpack(ctx context.Context, digest string) (string, error) {
	if !validDigest(digest) {
		return "", ErrNotFound
	}
	lock := s.lock(digest)
	lock.Lock()
	defer lock.Unlock()
	dir := filepath.Join(s.cache, digest)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return dir, nil
	}
	archive, err := s.Archive(ctx, digest)
	if err != nil {
		return "", err
	}
	plain, err := decompress(archive)
	if err != nil {
		return "", err
	}
	if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != digest {
		return "", errDamaged(digest)
	}
	return dir, s.unpackInto(ctx, dir, plain)
}

// unpackInto fills a temporary folder, writes it through to the disk, and gives
// it its name: after a power cut an empty module would look like an order to
// delete everything.
func (s *Store) unpackInto(ctx context.Context, dir string, plain []byte) (err error) {
	if err := os.MkdirAll(s.cache, 0o755); err != nil {
		return fmt.Errorf("making bundle cache: %w", err)
	}
	temp, err := os.MkdirTemp(s.cache, ".unpack-")
	if err != nil {
		return fmt.Errorf("making bundle cache: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("making bundle cache: %w", err)
	}
	root, err := os.OpenRoot(temp)
	if err != nil {
		return fmt.Errorf("making bundle cache: %w", err)
	}
	u := &unpacker{root: root, limits: Limits{Bytes: int64(len(plain)), Files: len(plain)}, sync: true, mode: 0o222}
	if err := errors.Join(u.tar(ctx, bytes.NewReader(plain)), root.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr == nil {
			return os.RemoveAll(temp) // another process was first; the content is the same
		}
		return fmt.Errorf("naming bundle folder: %w", err)
	}
	return nil
}

func (s *Store) lock(digest string) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unpacking[digest] == nil {
		s.unpacking[digest] = &sync.Mutex{}
	}
	return s.unpacking[digest]
}

// FS opens the unpacked files of a bundle for reading. Close the closer when done.
func (s *Store) FS(ctx context.Context, digest string) (fs.FS, io.Closer, error) {
	unpacked, err := s.Unpack(ctx, digest)
	if err != nil {
		return nil, nil, err
	}
	return OpenDir(unpacked)
}

func decompress(archive []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return nil, fmt.Errorf("opening decompressor: %w", err)
	}
	defer dec.Close()
	plain, err := dec.DecodeAll(archive, nil)
	if err != nil {
		return nil, fmt.Errorf("decompressing bundle: %w", err)
	}
	return plain, nil
}
