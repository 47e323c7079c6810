package trial

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/sandbox"
)

// What the private server has; nobody else sees it.
const (
	project = "demo"
	user    = "admin@example.com"

	readyTime   = 2 * time.Minute
	requestTime = 30 * time.Second
)

// world is the private server, and the sandbox where templates need one.
type world struct {
	options  Options
	dir      string
	app      *app.App
	client   *api.Client
	password string
	sandbox  *sandbox.Sandbox // nil when no template names a context

	end   context.CancelFunc
	ended []chan error
}

func start(ctx context.Context, s *Set, o Options) (_ *world, err error) {
	w := &world{options: o, password: rand.Text()}
	if w.dir, err = os.MkdirTemp("", "berth-test-"); err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	if w.dir, err = filepath.EvalSymlinks(w.dir); err != nil {
		return nil, fmt.Errorf("finding the folder to work in: %w", err)
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	w.end = end
	if err := w.boot(ctx, running, s); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	return w, nil
}

// boot starts what the world is made of; running ends it, and not the command's own context: what was made is destroyed
// first.
func (w *world) boot(ctx, running context.Context, s *Set) error {
	if len(s.contexts()) > 0 {
		box, err := sandbox.New(sandbox.Config{Addr: "127.0.0.1:0", DataDir: filepath.Join(w.dir, "sandbox")})
		if err != nil {
			return err
		}
		w.sandbox = box
		w.background(func() error { return box.Run(running) })
	}
	empty := filepath.Join(w.dir, "none")
	if err := os.Mkdir(empty, 0o700); err != nil {
		return fmt.Errorf("making a folder to work in: %w", err)
	}
	cfg := app.DefaultConfig()
	cfg.DataDir, cfg.Addr, cfg.AllowLocalGit, cfg.Toolchain = filepath.Join(w.dir, "data"), "127.0.0.1:0", true, w.options.Toolchain
	cfg.Dev = &app.DevConfig{Password: w.password, Templates: os.DirFS(empty), Say: func(string, ...any) {}}
	ready := make(chan struct{})
	cfg.OnReady = func() { close(ready) }
	var err error
	if w.app, err = app.New(ctx, cfg); err != nil {
		return err
	}
	served := w.background(func() error { return w.app.Run(running) })
	select {
	case <-ready:
	case err := <-served:
		served <- err
		return fmt.Errorf("the private server ended: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(readyTime):
		return errors.New("the private server did not become ready")
	}
	w.client = &api.Client{URL: w.app.URL(), Agent: "berth-template-test"}
	session, err := w.client.SignIn(ctx, api.SignIn{Email: user, Password: w.password})
	if err != nil {
		return fmt.Errorf("signing in to the private server: %w", err)
	}
	w.client.Token = session.Token
	return nil
}

func (w *world) background(run func() error) chan error {
	done := make(chan error, 1)
	w.ended = append(w.ended, done)
	go func() { done <- run() }()
	return done
}

// stop ends everything and removes the folder.
func (w *world) stop() error {
	w.end()
	var errs []error
	for _, done := range slices.Backward(w.ended) {
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// publish applies the documents, with the sandbox in place of every cloud.
func (w *world) publish(ctx context.Context, s *Set) error {
	docs := slices.Clone(s.docs)
	for _, name := range s.contexts() {
		i := slices.IndexFunc(docs, func(d *manifest.Document) bool { return d.Kind == manifest.KindConfigContext && d.Name == name })
		if i >= 0 {
			spec, _ := docs[i].Spec.(*manifest.ConfigContextSpec)
			spec.Sandbox = w.sandboxSpec()
			spec.Envs = slices.DeleteFunc(spec.Envs, func(e manifest.EnvEntry) bool { return strings.HasPrefix(e.Key, "AWS_") })
			w.options.Say("context %s: the sandbox at %s takes the place of its cloud", name, w.sandbox.URL())
			continue
		}
		w.options.Say("context %s: not among the documents; the sandbox at %s is used", name, w.sandbox.URL())
		docs = append(docs, &manifest.Document{
			Kind: manifest.KindConfigContext, Name: name, Metadata: manifest.Metadata{Name: name}, File: "sandbox",
			Spec: &manifest.ConfigContextSpec{Sandbox: w.sandboxSpec()},
		})
	}
	results, err := w.app.Apply(ctx, project, docs, manifest.Options{Files: s.files.Files})
	if err != nil {
		return err
	}
	var wrong []string
	for _, r := range results {
		if r.Error != nil && !errors.Is(r.Error, manifest.ErrNeeded) {
			wrong = append(wrong, s.files.Plain(r.Error.Message))
		}
	}
	if len(wrong) > 0 {
		return errNothing.With("The documents cannot be applied:\n%s", strings.Join(wrong, "\n"))
	}
	return nil
}

func (w *world) sandboxSpec() *manifest.SandboxSpec {
	return &manifest.SandboxSpec{Endpoint: w.sandbox.URL(), Region: "us-east-1", AccessKey: "sandbox", SecretKey: "sandbox-secret-key"}
}

// inventory lists what an owner would still have to delete in the sandbox.
func (w *world) inventory(ctx context.Context) ([]string, error) {
	if w.sandbox == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.sandbox.URL()+"/_sandbox/inventory", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking the sandbox what is left: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the sandbox what is left: %w", err)
	}
	defer resp.Body.Close()
	var all map[string]map[string][]struct{ ID, Name, ARN string }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("reading what is left in the sandbox: %w", err)
	}
	var left []string
	for service, types := range all {
		for kind, items := range types {
			for _, item := range items {
				left = append(left, strings.TrimSpace(strings.Join([]string{service, kind, item.ID, item.Name}, " ")))
			}
		}
	}
	slices.Sort(left)
	return left, nil
}

// processes lists those that work in the folder of the private server; the sandbox's are in the inventory.
func (w *world) processes() []string {
	var found []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // this system has no such list
	}
	data := filepath.Join(w.dir, "data")
	for _, e := range entries {
		if e.Name() == fmt.Sprint(os.Getpid()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || len(text) == 0 {
			continue
		}
		cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if err == nil && strings.HasPrefix(cwd, data) || strings.Contains(string(text), data) {
			found = append(found, strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " ")))
		}
	}
	return found
}

// declared are the outputs that the modules of a template declare, by resource.
func (w *world) declared(ctx context.Context, template, version string) (map[string][]string, error) {
	out, err := w.app.DeclaredOutputs(ctx, project, template, version)
	if f, ok := fault.As(err); ok {
		return nil, errors.New(f.Message)
	}
	return out, err
}
