package runner

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/berthdev/berth/internal/tofu"
)

// stateServer is the `http` backend the tool keeps its state in: on the loopback address, behind a one-time password,
// in the supervisor itself. A state is safe on disk before the tool is told that it was taken.
type stateServer struct {
	s        *supervisor
	srv      *http.Server
	addr     string
	user     string
	password string

	mu      sync.Mutex
	state   []byte
	version int // of the newest one stored by this attempt
	parsed  *tofu.StateFile
	lock    []byte // the tool's lock info, nil when free
	lockID  string
}

func newStateServer(s *supervisor) (*stateServer, error) {
	parsed, err := tofu.ParseState(s.spec.State)
	if err != nil {
		return nil, fail("state_unreadable", "the stored state cannot be read", err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	st := &stateServer{s: s, addr: "http://" + ln.Addr().String(), user: "step", password: s.statePassword,
		state: s.spec.State, parsed: parsed}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", st.get)
	mux.HandleFunc("POST /state", st.post)
	mux.HandleFunc("DELETE /state", st.delete)
	mux.HandleFunc("LOCK /lock", st.takeLock)
	mux.HandleFunc("UNLOCK /lock", st.dropLock)
	// What initialises a directory shared by many steps must not see the state of one.
	mux.HandleFunc("GET /empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	st.srv = &http.Server{Handler: st.guarded(mux), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = st.srv.Serve(ln) }()
	return st, nil
}

func (st *stateServer) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != st.user || subtle.ConstantTimeCompare([]byte(password), []byte(st.password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="state"`)
			http.Error(w, "wrong password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// env points the tool at this server. The backend block is empty and an initialised directory remembers it so, which
// is why one directory serves any number of steps at any number of addresses.
func (st *stateServer) env(path string) []string {
	return []string{
		"TF_HTTP_ADDRESS=" + st.addr + path,
		"TF_HTTP_LOCK_ADDRESS=" + st.addr + "/lock", "TF_HTTP_UNLOCK_ADDRESS=" + st.addr + "/lock",
		"TF_HTTP_USERNAME=" + st.user, "TF_HTTP_PASSWORD=" + st.password,
		// The way is short: what fails twice goes to errored.tfstate, which is kept.
		"TF_HTTP_RETRY_MAX=1", "TF_HTTP_RETRY_WAIT_MIN=1", "TF_HTTP_RETRY_WAIT_MAX=1",
	}
}

func (st *stateServer) get(w http.ResponseWriter, _ *http.Request) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.state) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(st.state)
}

func (st *stateServer) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "unreadable body", http.StatusBadRequest)
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.lockID != "" && r.URL.Query().Get("ID") != st.lockID {
		http.Error(w, "the state is locked by another process", http.StatusConflict)
		return
	}
	if err := st.storeLocked(body, "backend"); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (st *stateServer) delete(w http.ResponseWriter, _ *http.Request) {
	// Only `workspace delete` asks for it, which no step runs.
	http.Error(w, "states are not deleted", http.StatusMethodNotAllowed)
}

func (st *stateServer) takeLock(w http.ResponseWriter, r *http.Request) {
	info, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	var id struct{ ID string }
	if err == nil {
		err = json.Unmarshal(info, &id)
	}
	if err != nil || id.ID == "" {
		http.Error(w, "no lock info", http.StatusBadRequest)
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.lockID != "" && st.lockID != id.ID {
		w.WriteHeader(http.StatusLocked)
		_, _ = w.Write(st.lock)
		return
	}
	st.lock, st.lockID = info, id.ID
}

func (st *stateServer) dropLock(w http.ResponseWriter, r *http.Request) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.lock, st.lockID = nil, ""
}

// forgetLock clears the lock of a tool that ended without giving it back. Tools run one after another, and the file
// lock keeps everybody else out.
func (st *stateServer) forgetLock() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.lock, st.lockID = nil, ""
}

// store takes a state that did not come over the wire.
func (st *stateServer) store(data []byte, source string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.storeLocked(data, source)
}

func (st *stateServer) storeLocked(data []byte, source string) error {
	parsed, err := tofu.ParseState(data)
	if err != nil {
		return err
	}
	v, err := storeState(st.s.dir, st.s.rec, st.s.spec.DataKey, st.version+1, data, parsed, source)
	if err != nil {
		return err
	}
	st.version, st.state, st.parsed = v, data, parsed
	return nil
}

// storeState writes one version, sealed, and records it.
func storeState(d attemptDir, rec *recorder, key []byte, version int, data []byte, parsed *tofu.StateFile, source string) (int, error) {
	sealed, err := seal(key, data, stateLabel(version))
	if err != nil {
		return 0, err
	}
	if err := writeFileDurably(d.statePath(version), sealed, 0o600); err != nil {
		return 0, fmt.Errorf("storing the state: %w", err)
	}
	sum := sha256.Sum256(data)
	_, err = rec.add(true, Record{Kind: KindState, State: &StateVersion{Version: version, Serial: parsed.Serial,
		Lineage: parsed.Lineage, Digest: hex.EncodeToString(sum[:]), Resources: len(parsed.Objects()), Bytes: len(data), Source: source}})
	return version, err
}

func stateLabel(version int) string { return fmt.Sprintf("state %d", version) }

func (st *stateServer) current() (*tofu.StateFile, []byte, int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.parsed, st.state, st.version
}

// objectAt returns the id of the current object at an address.
func (st *stateServer) objectAt(address string) (id string, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, o := range st.parsed.Objects() {
		if o.Address == address && !o.Deposed {
			return o.ID, true
		}
	}
	return "", false
}

func (st *stateServer) close() error {
	err := st.srv.Close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
