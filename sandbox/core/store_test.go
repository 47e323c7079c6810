package core_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/core"
)

type thing struct {
	Name  string
	Parts []string
}

var things = core.NewCollection[thing]("test", "thing")

func open(t *testing.T, dir string) *core.Store {
	t.Helper()
	s, err := core.OpenStore(dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

func put(t *testing.T, s *core.Store, id, name string) {
	t.Helper()
	require.NoError(t, s.Update(func(tx *core.Tx) error {
		things.Put(tx, "r", id, thing{Name: name})
		return nil
	}))
}

func names(t *testing.T, s *core.Store) []string {
	t.Helper()
	out, err := core.Read(s, func(tx *core.Tx) (out []string, _ error) {
		for _, v := range things.List(tx, "r") {
			out = append(out, v.Name)
		}
		return out, nil
	})
	require.NoError(t, err)
	return out
}

func TestStoreSurvivesACopyOfItsFilesTakenWhileOpen(t *testing.T) {
	t.Parallel()
	// A killed process leaves exactly the bytes that were written so far, which
	// is what copying the open file shows.
	dir, copied := t.TempDir(), t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "one")
	put(t, s, "b", "two")
	require.NoError(t, s.Update(func(tx *core.Tx) error {
		things.Delete(tx, "r", "a")
		things.Put(tx, "r", "c", thing{Name: "three"})
		return nil
	}))
	state, err := os.ReadFile(filepath.Join(dir, "state.jsonl"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(copied, "state.jsonl"), state, 0o600))
	require.NoError(t, s.Close())

	for _, d := range []string{copied, dir} {
		again := open(t, d)
		require.Equal(t, []string{"two", "three"}, names(t, again))
		require.NoError(t, again.Close())
	}
}

func TestStoreDropsATransactionCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "one")
	put(t, s, "b", "two")
	require.NoError(t, s.Close())
	path := filepath.Join(dir, "state.jsonl")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)

	for cut := 1; cut < 30; cut += 7 {
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-cut], 0o600))
		again := open(t, dir)
		require.Equal(t, []string{"one"}, names(t, again), "cut by %d", cut)
		put(t, again, "c", "three")
		require.NoError(t, again.Close())
		again = open(t, dir)
		require.Equal(t, []string{"one", "three"}, names(t, again))
		require.NoError(t, again.Close())
	}
}

func TestStoreRefusesDamageInTheMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "one")
	put(t, s, "b", "two")
	require.NoError(t, s.Close())
	path := filepath.Join(dir, "state.jsonl")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[20] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))

	_, err = core.OpenStore(dir, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "damaged at line 1")
}

func TestStoreUndoesAFailedTransaction(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	defer func() { require.NoError(t, s.Close()) }()
	put(t, s, "a", "one")
	boom := errors.New("boom")
	ran := false
	err := s.Update(func(tx *core.Tx) error {
		tx.AfterCommit(func() { ran = true })
		things.Put(tx, "r", "a", thing{Name: "changed"})
		things.Put(tx, "r", "b", thing{Name: "new"})
		things.Delete(tx, "r", "a")
		return boom
	})
	require.ErrorIs(t, err, boom)
	require.False(t, ran)
	require.Equal(t, []string{"one"}, names(t, s))

	require.Panics(t, func() {
		_ = s.Update(func(tx *core.Tx) error {
			things.Delete(tx, "r", "a")
			panic("in the middle")
		})
	})
	require.Equal(t, []string{"one"}, names(t, s))
}

func TestStoreHandsOutCopies(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	require.NoError(t, s.Update(func(tx *core.Tx) error {
		v := thing{Parts: []string{"x"}}
		things.Put(tx, "r", "a", v)
		v.Parts[0] = "changed after Put"
		got, ok := things.Get(tx, "r", "a")
		require.True(t, ok)
		require.Equal(t, []string{"x"}, got.Parts)
		got.Parts[0] = "changed after Get"
		again, _ := things.Get(tx, "r", "a")
		require.Equal(t, []string{"x"}, again.Parts)
		return nil
	}))
}

func TestStoreIsOneProcessesOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := core.OpenStore(dir, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "another sandbox is running")
	require.NoError(t, s.Close())
	require.NoError(t, open(t, dir).Close())
}

func TestStoreFileStaysSmall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	big := make([]string, 2000)
	for i := range big {
		big[i] = fmt.Sprintf("part %d of something", i)
	}
	for range 300 {
		require.NoError(t, s.Update(func(tx *core.Tx) error {
			things.Put(tx, "r", "a", thing{Name: "big", Parts: big})
			return nil
		}))
	}
	info, err := os.Stat(filepath.Join(dir, "state.jsonl"))
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(5<<20), "300 writes of 50 kB to one record")
	require.NoError(t, s.Close())
	again := open(t, dir)
	require.Equal(t, []string{"big"}, names(t, again))
	require.NoError(t, again.Close())
}

func TestStoreWakesWatchers(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	changed, stop := s.Watch()
	put(t, s, "a", "one")
	put(t, s, "a", "two")
	<-changed
	select {
	case <-changed:
		t.Fatal("two changes before the first look are one wake-up")
	default:
	}
	stop()
	put(t, s, "a", "three")
	select {
	case <-changed:
		t.Fatal("woken after stop")
	default:
	}
}

func BenchmarkStoreUpdate(b *testing.B) {
	s, err := core.OpenStore(b.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	for i := range b.N {
		require.NoError(b, s.Update(func(tx *core.Tx) error {
			things.Put(tx, "r", fmt.Sprint(i%1000), thing{Name: "x"})
			return nil
		}))
	}
	require.NoError(b, s.Close())
}
