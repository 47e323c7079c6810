package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

const (
	// maxObject is the largest file; git hosts draw the line there too. One object is
	// held in memory as a whole.
	maxObject = 100 << 20
	// maxObjects bounds the index of a pack, which is held in memory.
	maxObjects = 1_000_000
	// maxInflation bounds the work of unpacking: a history unpacks to many times the
	// size it is sent in, but not without end.
	maxInflation = 32
	objectCache  = 32 << 20
)

// fetched is a commit, and the objects it is made of.
type fetched struct {
	objects  *filesystem.Storage
	commit   *object.Commit
	revision string
}

// fetch gets the commit of a revision with its tree into a folder that must be empty.
func (s *Service) fetch(ctx context.Context, t target, revision, dir string) (*fetched, error) {
	w, err := t.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer w.close()
	refs, err := listReferences(ctx, t, w)
	if err != nil {
		return nil, err
	}
	p, err := resolve(t, refs, revision)
	if err != nil {
		return nil, err
	}
	stream, err := download(ctx, w, refs, p.request)
	if err != nil {
		if text, ok := refusal(err); ok && len(p.revision) == fullHash && text != "" {
			return nil, revisionFailure(t, refs, p.revision)
		}
		return nil, err
	}
	objects, err := s.unpack(ctx, t, w, stream, dir)
	if err != nil {
		return nil, err
	}
	commit, err := p.commit(t, refs, objects)
	if err != nil {
		return nil, errors.Join(err, objects.Close())
	}
	return &fetched{objects: objects, commit: commit, revision: p.revision}, nil
}

// unpack stores the pack on disk, makes sure that unpacking it costs what is allowed,
// and indexes it.
func (s *Service) unpack(ctx context.Context, t target, w wire, stream io.Reader, dir string) (*filesystem.Storage, error) {
	pack, err := os.Create(filepath.Join(dir, "received.pack"))
	if err != nil {
		return nil, fmt.Errorf("storing a repository: %w", err)
	}
	defer func() {
		_ = pack.Close() // it was written for us alone, and is read again below
		_ = os.Remove(pack.Name())
	}()
	if _, err = io.Copy(pack, &bounded{r: &cancellable{ctx, stream}, left: s.limits.PackBytes}); err != nil {
		var disk *os.PathError
		switch {
		case errors.Is(err, errTooMuch):
			return nil, fail(ErrTooLarge, nil, "Move the templates to a repository of their own.",
				"%s sends more than the limit of %s.", t.address, size(s.limits.PackBytes))
		case errors.As(err, &disk):
			return nil, fmt.Errorf("storing a repository: %w", err)
		}
		return nil, w.explain(ctx, err)
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("storing a repository: %w", err)
	}
	if err := s.checkPack(ctx, t, w, pack); err != nil {
		return nil, err
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("storing a repository: %w", err)
	}
	storage := filesystem.NewStorageWithOptions(osfs.New(filepath.Join(dir, "objects"), osfs.WithBoundOS()),
		cache.NewObjectLRU(objectCache), filesystem.Options{KeepDescriptors: true})
	if err := packfile.UpdateObjectStorage(storage, &cancellable{ctx, pack}); err != nil {
		return nil, errors.Join(w.explain(ctx, err), storage.Close())
	}
	return storage, nil
}

// cancellable ends a read when its context does.
type cancellable struct {
	ctx context.Context // of the one call that reads
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// checkPack reads the sizes that a pack declares, which the unpacking then holds it to.
func (s *Service) checkPack(ctx context.Context, t target, w wire, pack io.ReadSeeker) error {
	scanner := packfile.NewScanner(pack)
	_, count, err := scanner.Header()
	if err != nil {
		return w.explain(ctx, err)
	}
	if count > maxObjects {
		return fail(ErrTooLarge, nil, "Name a branch or a tag instead of a commit: that fetches no history.",
			"%s sends %d objects; the limit is %d.", t.address, count, maxObjects)
	}
	var total int64
	limit, objectLimit := maxInflation*s.limits.PackBytes, min(maxObject, s.limits.TreeBytes)
	for range count {
		if ctx.Err() != nil {
			return w.explain(ctx, ctx.Err())
		}
		header, err := scanner.NextObjectHeader()
		if err != nil {
			return w.explain(ctx, err)
		}
		largest := header.Length
		start := &head{}
		if largest <= objectLimit {
			if _, _, err := scanner.NextObject(start); err != nil {
				return w.explain(ctx, err)
			}
			if header.Type.IsDelta() {
				largest = max(largest, start.deltaResult())
			}
		}
		if largest > objectLimit {
			return fail(ErrTooLarge, nil, "Take the file out of the history of the repository.",
				"%s holds a file of more than %s.", t.address, size(objectLimit))
		}
		if total += largest; total > limit {
			return fail(ErrTooLarge, nil, "Name a branch or a tag instead of a commit: that fetches no history.",
				"%s unpacks to more than the limit of %s.", t.address, size(limit))
		}
	}
	return nil
}

// head keeps the first bytes written to it.
type head struct{ bytes []byte }

func (h *head) Write(p []byte) (int, error) {
	if room := 20 - len(h.bytes); room > 0 {
		h.bytes = append(h.bytes, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// deltaResult is the size of what a delta makes: the second number it begins with.
func (h *head) deltaResult() int64 {
	var result int64
	i := 0
	for range 2 {
		result = 0
		for shift := 0; i < len(h.bytes) && shift < 56; shift += 7 {
			b := h.bytes[i]
			i++
			result |= int64(b&0x7f) << shift
			if b&0x80 == 0 {
				break
			}
		}
	}
	return result
}

// commit finds the plan's commit among what was fetched.
func (p plan) commit(t target, refs *references, objects storer.EncodedObjectStorer) (*object.Commit, error) {
	hash := p.object
	if hash.IsZero() {
		var found []plumbing.Hash
		commits, err := objects.IterEncodedObjects(plumbing.CommitObject)
		if err == nil {
			err = commits.ForEach(func(o plumbing.EncodedObject) error {
				if h := o.Hash(); len(h.String()) >= len(p.prefix) && h.String()[:len(p.prefix)] == p.prefix {
					found = append(found, h)
				}
				return nil
			})
		}
		switch {
		case err != nil:
			return nil, fail(ErrProtocol, err, "Try again.", "What %s sent is damaged.", t.address)
		case len(found) == 0:
			return nil, revisionFailure(t, refs, p.revision)
		case len(found) > 1:
			return nil, fail(ErrRevision, nil, "Give more of its hash.", "%s has %d commits that begin with %s.", t.address, len(found), p.revision)
		}
		hash = found[0]
	}
	// A tag may tag a tag.
	for range 10 {
		tag, err := object.GetTag(objects, hash)
		if err != nil {
			break
		}
		hash = tag.Target
	}
	commit, err := object.GetCommit(objects, hash)
	if err != nil {
		return nil, fail(ErrRevision, err, "Name another one.", "%q of %s is no commit.", p.revision, t.address)
	}
	return commit, nil
}

func size(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GB", n>>30)
	}
	if n >= 1<<20 {
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d kB", n>>10)
}
