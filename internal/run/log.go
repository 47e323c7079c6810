package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"gocloud.dev/blob"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// logChunk is how much of a log is compressed into one blob: small enough that reading from an offset wastes little.
const logChunk = 256 << 10

// ErrNoLog says that a step has written nothing yet.
var ErrNoLog = fault.New(fault.NotFound, "log_not_found", "This step has not written a log yet.")

// OpenLog reads a step's log from a byte offset, with secrets already replaced. Attempt 0 means the newest. With follow
// the reader waits for more until the attempt has ended.
func (s *Service) OpenLog(ctx context.Context, id StepID, attempt int, offset int64, follow bool) (io.ReadCloser, error) {
	if authz.From(ctx).Kind == authz.Anonymous {
		return nil, authz.ErrUnauthenticated
	}
	st, err := getStep(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	if _, err := s.read(ctx, authz.RunLogRead, "r.id = $1", st.RunID); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fault.InvalidField("offset", "Offset must not be negative.")
	}
	if attempt == 0 {
		attempt = st.Attempt
	}
	if attempt == 0 {
		return nil, ErrNoLog
	}
	stored, err := s.storedLog(ctx, id, attempt, offset)
	if err != nil || stored != nil {
		return stored, err
	}
	live, err := s.Runner.OpenLog(ctx, string(id), attempt, offset, follow)
	if err == nil {
		return live, nil
	}
	// It may have been stored and settled between the two looks.
	stored, storedErr := s.storedLog(ctx, id, attempt, offset)
	switch {
	case storedErr != nil:
		return nil, storedErr
	case stored != nil:
		return stored, nil
	case fault.KindOf(err) == fault.NotFound:
		return nil, ErrNoLog
	}
	return nil, err
}

type chunk struct {
	start, length int64
	key           string
}

// storedLog returns nil when the attempt's log has not been stored.
func (s *Service) storedLog(ctx context.Context, id StepID, attempt int, offset int64) (io.ReadCloser, error) {
	chunks, err := db.List(ctx, s.DB, func(row db.Scanner) (chunk, error) {
		var c chunk
		return c, row.Scan(&c.start, &c.length, &c.key)
	}, `SELECT start, length, blob_key FROM log_chunks WHERE step_id = $1 AND attempt = $2 ORDER BY start`, id, attempt)
	if err != nil || len(chunks) == 0 {
		return nil, err
	}
	for len(chunks) > 0 && chunks[0].start+chunks[0].length <= offset {
		chunks = chunks[1:]
	}
	r := &chunkReader{ctx: ctx, blobs: s.Blobs, chunks: chunks}
	if len(chunks) > 0 {
		r.skip = offset - chunks[0].start
	}
	return r, nil
}

// chunkReader reads compressed chunks one after the other, holding one in memory.
type chunkReader struct {
	ctx    context.Context //nolint:containedctx // a reader lives as long as the request that opened it
	blobs  *blob.Bucket
	chunks []chunk
	skip   int64
	rest   []byte
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if len(r.chunks) == 0 {
			return 0, io.EOF
		}
		c := r.chunks[0]
		r.chunks = r.chunks[1:]
		packed, err := r.blobs.ReadAll(r.ctx, c.key)
		if err != nil {
			return 0, fmt.Errorf("reading a part of a log: %w", err)
		}
		plain, err := unpack(packed)
		if err != nil {
			return 0, err
		}
		r.rest = plain[min(max(r.skip, 0), int64(len(plain))):]
		r.skip = 0
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *chunkReader) Close() error { return nil }

// storeLog compresses an ended attempt's log into blobs and returns the rows to insert. Writing a blob twice is
// harmless, so it may be repeated after a crash.
func (s *Service) storeLog(ctx context.Context, st Step, src io.Reader) ([]chunk, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("starting compression: %w", err)
	}
	defer enc.Close()
	var chunks []chunk
	var start int64
	buf := make([]byte, logChunk)
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 || len(chunks) == 0 {
			c := chunk{start: start, length: int64(n), key: fmt.Sprintf("logs/%s/%d/%d.zst", st.ID, st.Attempt, start)}
			if err := s.Blobs.WriteAll(ctx, c.key, enc.EncodeAll(buf[:n], nil), nil); err != nil {
				return nil, fmt.Errorf("storing the log of step %s: %w", st.ID, err)
			}
			chunks = append(chunks, c)
			start += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return chunks, nil
		case err != nil:
			return nil, fmt.Errorf("reading the log of step %s: %w", st.ID, err)
		}
	}
}

func insertChunks(ctx context.Context, tx *db.Tx, st Step, chunks []chunk) error {
	for _, c := range chunks {
		_, err := tx.ExecContext(ctx, `INSERT INTO log_chunks (step_id, attempt, start, length, blob_key, created_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			st.ID, st.Attempt, c.start, c.length, c.key, db.Micros(tx.Now()))
		if err != nil {
			return fmt.Errorf("recording the log of step %s: %w", st.ID, err)
		}
	}
	return nil
}

func unpack(packed []byte) ([]byte, error) {
	dec, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("reading a part of a log: %w", err)
	}
	defer dec.Close()
	plain, err := io.ReadAll(dec)
	if err != nil {
		return nil, fmt.Errorf("reading a part of a log: %w", err)
	}
	return plain, nil
}
