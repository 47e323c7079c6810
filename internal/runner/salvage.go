package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthdev/berth/internal/tofu"
)

// lostGrace is how long what a dead supervisor left may take to end after it was asked to.
const lostGrace = 5 * time.Minute

// SalvageSpec is what Salvage needs of the lost attempt's Spec.
type SalvageSpec struct {
	ResourceID string
	Secrets    []string
	// SecretsUnknown says that Secrets could not be worked out. Nothing is shown then that might hold one; what the
	// next attempt needs for its repair is kept sealed.
	SecretsUnknown bool
	DataKey        []byte
	Grace          time.Duration // how long the tool may take to end by itself; default 5 min
}

// Salvage makes a lost attempt complete: it stops what is left of its processes, waits for the resource's lock, takes
// errored.tfstate and unread events of the tool, and appends what they tell and a result, so that the attempt is
// Finished afterwards. On an attempt that is not lost it does nothing. The next attempt repairs.
func (h *Handle) Salvage(ctx context.Context, spec SalvageSpec) error {
	if live, err := h.Liveness(); err != nil || live != Lost {
		return err
	}
	id, err := h.dir.readIdentity()
	if err != nil {
		return err
	}
	if spec.Grace <= 0 {
		spec.Grace = lostGrace
	}
	if err := h.reap(ctx, id, spec.Grace); err != nil {
		return err
	}
	lock, err := acquire(h.l.cfg.LockDir, spec.ResourceID, Holder{StepID: filepath.Base(string(h.dir)), PID: os.Getpid(),
		Since: time.Now().UTC()}, time.Second)
	if err != nil {
		return err
	}
	defer lock.Close()
	// Two callers may salvage at the same time; the second finds it done.
	if live, err := h.Liveness(); err != nil || live != Lost {
		return err
	}
	return h.complete(spec)
}

// reap ends the processes of a dead supervisor. A tool that ends in order saves most, so it is asked once and gets its
// time; everything else goes with it.
func (h *Handle) reap(ctx context.Context, id identity, grace time.Duration) error {
	deadline := Now().Add(grace)
	tool, err := h.dir.readIdentityFile(fileTool)
	if err != nil {
		return err
	}
	if tool.alive() {
		h.dir.interrupt(tool.PID)
	}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		// Looked for first: what it started last is then among the processes found.
		ending := tool.alive() && Now() < deadline
		pids := attemptPIDs(h.dir, id)
		if len(pids) == 0 {
			break
		}
		if !ending {
			if id.Cgroup != "" {
				killCgroup(id.Cgroup)
			}
			for _, pid := range pids {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
	if id.Cgroup != "" {
		_ = os.Remove(id.Cgroup)
	}
	return id.dropTmp()
}

// attemptPIDs finds the processes of an attempt: by its cgroup, and by the variable that all of them carry.
func attemptPIDs(d attemptDir, id identity) []int {
	var out []int
	seen := map[int]bool{}
	if id.Cgroup != "" {
		for _, pid := range cgroupPIDs(id.Cgroup) {
			seen[pid] = true
			out = append(out, pid)
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return out
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || seen[pid] || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && strings.Contains("\x00"+string(env), "\x00"+attemptMarker(d)+"\x00") {
			out = append(out, pid)
		}
	}
	return out
}

// complete appends what the dead supervisor did not come to write.
func (h *Handle) complete(spec SalvageSpec) error {
	rec, err := openRecorder(h.dir.path(fileRecords))
	if err != nil {
		return err
	}
	defer rec.close()
	past, err := h.past()
	if err != nil {
		return err
	}
	s := &supervisor{order: order{Spec: Spec{StepID: past.started.StepID, Attempt: past.started.Attempt,
		Action: past.started.Action, DataKey: spec.DataKey}}, dir: h.dir, rec: rec, mask: newMasker(spec.Secrets), ledger: newLedger()}
	s.mask.blind = spec.SecretsUnknown
	s.spec = &s.Spec
	if err := h.completeEvents(s, past); err != nil {
		return err
	}
	version, err := h.completeState(spec, rec, past.version)
	if err != nil {
		return err
	}
	res := &Result{Status: StatusFailed, Code: "supervisor_lost", Phase: past.phase, StateVersion: version, Exit: -1,
		Message: "the step's supervisor was killed; what it left was saved, and the next run repairs"}
	if past.started.StepID == "" {
		res.Code, res.Message = "never_started", "the step's supervisor never started"
		res.Reconciled = true
	}
	_, err = rec.add(true, Record{Kind: KindResult, Result: res})
	return err
}

// past is what the records of a lost attempt tell.
type past struct {
	started Started
	phase   Phase
	version int
	// journal counts entries by what they are about, to tell which events of the tool were taken over.
	journal map[string]int
}

func (h *Handle) past() (past, error) {
	p := past{journal: map[string]int{}}
	f, err := os.Open(h.dir.path(fileRecords))
	if err != nil {
		return p, err
	}
	defer f.Close()
	err = scanRecords(f, 0, func(r Record) bool {
		switch {
		case r.Started != nil:
			p.started = *r.Started
		case r.Phase != nil && r.Phase.Status == PhaseStarted:
			p.phase = r.Phase.Phase
			if p.phase == PhasePlan {
				p.journal = map[string]int{} // repair's own entries come from no event
			}
		case r.State != nil:
			p.version = r.State.Version
		case r.Journal != nil:
			p.journal[entryKey(*r.Journal)]++
		}
		return true
	})
	return p, err
}

func entryKey(e JournalEntry) string {
	return string(e.Op) + " " + string(e.Action) + " " + e.Address
}

// completeEvents reads the tool's events file again and appends the objects and journal entries that are not recorded.
func (h *Handle) completeEvents(s *supervisor, p past) error {
	if p.phase != PhasePlan && p.phase != PhaseApply {
		return nil
	}
	data, err := os.ReadFile(h.dir.path(dirWork, fileEvents))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var recs []Record
	for line := range strings.SplitSeq(string(data), "\n") {
		e, err := tofu.ParseEvent([]byte(line))
		if err != nil {
			continue
		}
		pair := s.recordsOf(e)
		for _, r := range pair {
			if r.Journal == nil {
				continue
			}
			if key := entryKey(*r.Journal); p.journal[key] > 0 {
				p.journal[key]--
			} else {
				recs = append(recs, shown(pair, s.mask)...)
			}
		}
	}
	if len(recs) == 0 {
		return nil
	}
	_, err = s.rec.add(true, recs...)
	return err
}

// shown leaves the journal alone of what tells of an object when nothing of it may be seen.
func shown(recs []Record, m *masker) []Record {
	if !m.blind {
		return recs
	}
	return slices.DeleteFunc(recs, func(r Record) bool { return r.Journal == nil })
}

// completeState keeps the state that a tool without its supervisor could only write to a file.
func (h *Handle) completeState(spec SalvageSpec, rec *recorder, version int) (int, error) {
	found := ""
	err := filepath.WalkDir(h.dir.path(dirWork), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "errored.tfstate" && !d.IsDir() {
			found = path
			return fs.SkipAll
		}
		return err
	})
	if err != nil || found == "" {
		return version, err
	}
	data, err := os.ReadFile(found)
	if err != nil {
		return version, err
	}
	parsed, err := tofu.ParseState(data)
	if err != nil {
		return version, nil //nolint:nilerr // a torn file tells nothing; the journal stands in for it
	}
	return storeState(h.dir, rec, spec.DataKey, version+1, data, parsed, "salvaged")
}
