package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing/fstest"
	"time"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/tofu"
)

const trivialModule = `resource "terraform_data" "this" {
  input = "x"
}

output "value" {
  value = terraform_data.this.output
}
`

const trivialTemplate = `apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: trivial}
spec:
  version: v1
  versionState: active
  provider: opentofu
  source: {folder: module}
  sharing: {enabled: true, projects: [{name: "*"}]}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: trivial}
spec:
  version: v1
  versionState: active
  summary: One object that is in no cloud.
  resources:
    - {name: trivial, kind: resourcetemplate, template: trivial, version: v1}
  sharing: {enabled: true, projects: [{name: "*"}]}
`

// trivial compares the smallest configuration, in which everything that Berth adds shows.
func (b *bench) trivial(ctx context.Context) (err error) {
	tools, err := b.tools(ctx)
	if err != nil {
		return err
	}
	starts, err := watchStarts(filepath.Join(b.root, "watched"), tools.tofu)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, starts.close()) }()
	if err := b.publishTrivial(ctx, tools.tofu); err != nil {
		return err
	}
	s, err := b.dev(ctx, "trivial", "--tofu", starts.tofu)
	if s != nil {
		defer func() { err = errors.Join(err, s.stop()) }()
	}
	if err != nil {
		return err
	}
	c, err := s.client(ctx)
	if err != nil {
		return err
	}
	t := &trivialRun{bench: b, client: c, starts: starts, config: tools.config}
	cold, err := t.deploy(ctx, 0)
	if err != nil {
		return err
	}
	if _, err := t.bare(ctx, 0); err != nil {
		return err
	}
	for i := range b.times(30, 3) {
		if err := t.pair(ctx, i+1); err != nil {
			return err
		}
	}
	t.tell(&b.report, cold)
	return nil
}

// trivialRun holds the two sides and what they took.
type trivialRun struct {
	*bench
	client *api.Client
	starts *starts
	config string

	first, deployed, bares samples
	processes              int
}

type trivialDeploy struct {
	first, whole time.Duration
	processes    int
}

// pair deploys once on each side, in turn, so that a busy moment of the machine meets both.
func (t *trivialRun) pair(ctx context.Context, i int) error {
	d, err := t.deploy(ctx, i)
	if err != nil {
		return err
	}
	bare, err := t.bare(ctx, i)
	if err != nil {
		return err
	}
	t.first, t.deployed, t.bares = append(t.first, d.first), append(t.deployed, d.whole), append(t.bares, bare)
	t.processes = d.processes
	return nil
}

func (t *trivialRun) deploy(ctx context.Context, i int) (trivialDeploy, error) {
	name := fmt.Sprintf("trivial-%d", i)
	if _, err := t.client.CreateEnvironment(ctx, project, api.CreateEnvironment{Name: name, Template: "trivial", Version: "v1"}); err != nil {
		return trivialDeploy{}, fmt.Errorf("creating %s: %w", name, err)
	}
	t.starts.drain()
	pressed := time.Now()
	if err := deploy(ctx, t.client, name); err != nil {
		return trivialDeploy{}, err
	}
	whole := time.Since(pressed)
	seen := t.starts.drain()
	if len(seen) == 0 {
		return trivialDeploy{}, errors.New("no start of OpenTofu was seen")
	}
	return trivialDeploy{seen[0].Sub(pressed), whole, len(seen)}, nil
}

func (t *trivialRun) bare(ctx context.Context, i int) (time.Duration, error) {
	d := bare{dir: filepath.Join(t.root, "bare", fmt.Sprintf("trivial-%d", i)), tofu: t.starts.tofu, config: t.config}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return 0, fmt.Errorf("making a folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "main.tf"), []byte(trivialModule), 0o600); err != nil {
		return 0, fmt.Errorf("writing the module: %w", err)
	}
	return d.run(ctx, initCommand(), applyCommand())
}

func (t *trivialRun) tell(r *report, cold trivialDeploy) {
	r.add(figure{Name: "deploy pressed to first tofu, p50", Value: millis(t.first.median()), Unit: "ms", Aim: 20, Peer: "25 ms",
		Detail: fmt.Sprintf("%d deploys; the watch on the start adds a shell of about 1 ms", len(t.first))})
	r.add(figure{Name: "deploy pressed to first tofu, p99", Value: millis(t.first.at(0.99)), Unit: "ms"})
	r.add(figure{Name: "deployed, more than bare init and apply", Value: millis(t.deployed.median() - t.bares.median()), Unit: "ms", Aim: 100, Peer: "237 ms",
		Detail: fmt.Sprintf("medians: Berth %.0f ms, bare %.0f ms", millis(t.deployed.median()), millis(t.bares.median()))})
	r.add(figure{Name: "deployed, against bare init and apply", Value: ratio(t.deployed.median(), t.bares.median()),
		Detail: fmt.Sprintf("%d start(s) of tofu each", t.processes)})
	r.add(figure{Name: "first deploy of the bundle", Value: millis(cold.whole), Unit: "ms", Detail: fmt.Sprintf("%d start(s) of tofu", cold.processes)})
}

// publishTrivial puts the template into the data of the server to come. Over the network templates cannot be published from
// a folder, so this runs the same server inside this process for a moment, with the template among those it seeds.
func (b *bench) publishTrivial(ctx context.Context, tool string) error {
	cfg := app.DefaultConfig()
	cfg.Addr = "127.0.0.1:0"
	cfg.DataDir, cfg.KeyFile = filepath.Join(b.root, "trivial", "data"), filepath.Join(b.root, "trivial", "key", "berth.key")
	if err := os.MkdirAll(filepath.Dir(cfg.KeyFile), 0o700); err != nil {
		return fmt.Errorf("making the server's folders: %w", err)
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Toolchain = tofu.Config{TofuPath: tool, Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true}
	cfg.Dev = &app.DevConfig{Password: password, Say: func(string, ...any) {}, Templates: fstest.MapFS{
		"trivial/template.yaml":  {Data: []byte(trivialTemplate)},
		"trivial/module/main.tf": {Data: []byte(trivialModule)},
	}}
	a, err := app.New(ctx, cfg)
	if err != nil {
		return fmt.Errorf("publishing the template: %w", err)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	s := &server{URL: a.URL(), end: make(chan error, 1)}
	go func() { s.end <- a.Run(running) }()
	err = s.await(ctx, "/readyz")
	stop()
	return errors.Join(err, <-s.end)
}

// starts tells when a program starts: a script in its place says so on a pipe before it becomes the program.
type starts struct {
	tofu string
	pipe *os.File
	seen chan time.Time
}

func watchStarts(dir, tool string) (*starts, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the watched tool: %w", err)
	}
	pipe := filepath.Join(dir, "starts")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		return nil, fmt.Errorf("making the watched tool: %w", err)
	}
	s := &starts{tofu: filepath.Join(dir, "tofu"), seen: make(chan time.Time, 1000)}
	script := fmt.Sprintf("#!/bin/sh\necho \"$1\" > '%s'\nexec '%s' \"$@\"\n", pipe, tool)
	if err := os.WriteFile(s.tofu, []byte(script), 0o755); err != nil {
		return nil, fmt.Errorf("making the watched tool: %w", err)
	}
	var err error
	// Open for both, so that neither side waits for the other to open it.
	if s.pipe, err = os.OpenFile(pipe, os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("watching the tool: %w", err)
	}
	go s.read()
	return s, nil
}

func (s *starts) read() {
	lines := bufio.NewScanner(s.pipe)
	for lines.Scan() {
		at := time.Now()
		if strings.HasSuffix(lines.Text(), "version") {
			continue // a look at the tool, which runs nothing
		}
		select {
		case s.seen <- at:
		default:
		}
	}
}

// drain returns the starts since the last call.
func (s *starts) drain() []time.Time {
	var all []time.Time
	for {
		select {
		case at := <-s.seen:
			all = append(all, at)
		default:
			return all
		}
	}
}

func (s *starts) close() error { return s.pipe.Close() }
