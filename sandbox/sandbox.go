// Package sandbox is a local look-alike of AWS for trying and testing
// templates with no cloud account. It serves AWS's own wire protocols on one
// address, so the unmodified AWS provider, the AWS CLI and the SDKs work
// against it.
//
// This package puts the parts together and knows no protocol: core holds what
// services share, each other folder is one service. Nothing here may import
// anything of internal.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/ec2"
	"github.com/berthdev/berth/sandbox/iam"
	"github.com/berthdev/berth/sandbox/sts"
)

// DefaultAddr is where the sandbox listens unless told otherwise.
const DefaultAddr = "127.0.0.1:4566"

// Config says how to run a sandbox.
type Config struct {
	// Addr is the host:port to listen on; port 0 takes a free one.
	Addr string
	// DataDir keeps the state; empty keeps it in memory only.
	DataDir string
	Logger  *slog.Logger
	// LogRequests logs every AWS call with its input.
	LogRequests bool
	// Clock tells the time; nil is the machine's clock.
	Clock core.Clock
}

// Sandbox is a sandbox that listens. Requests are answered while Run runs.
type Sandbox struct {
	env      *core.Env
	listener net.Listener
	front    *core.Front
	services []core.Service
}

// Run serves a sandbox until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	s, err := New(cfg)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// New opens the state, listens, and makes the services.
func New(cfg Config) (*Sandbox, error) {
	if cfg.Addr == "" {
		cfg.Addr = DefaultAddr
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = core.SystemClock{}
	}
	store, err := core.OpenStore(cfg.DataDir, cfg.Logger)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the sandbox's address: %w", err), store.Close())
	}
	env := &core.Env{
		Store: store, Clock: cfg.Clock, Logger: cfg.Logger, DataDir: cfg.DataDir,
		Addr: listener.Addr().String(), Notes: &core.Notes{}, Events: &core.Events{},
	}
	s := &Sandbox{env: env, listener: listener, services: newServices(env)}
	if s.front, err = core.NewFront(env, s.services, cfg.LogRequests); err != nil {
		return nil, errors.Join(err, listener.Close(), store.Close())
	}
	return s, nil
}

// newServices makes every service. A service that uses another gets it here,
// as a concrete reference; calls between them run in the caller's transaction.
func newServices(env *core.Env) []core.Service {
	iamService := iam.New(env)
	return []core.Service{
		sts.New(env, iamService),
		iamService,
		ec2.New(env),
	}
}

// Addr is the host:port the sandbox listens on.
func (s *Sandbox) Addr() string { return s.env.Addr }

// URL is the endpoint to give to AWS clients.
func (s *Sandbox) URL() string { return "http://" + s.env.Addr }

// drain is how long open requests may take when the sandbox stops.
const drain = 5 * time.Second

// Run serves until ctx ends, then stops the services and closes the state.
func (s *Sandbox) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.front,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.env.Logger.Handler(), slog.LevelWarn),
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, service := range s.services {
		if runner, ok := service.(core.Runner); ok {
			group.Go(func() error {
				if err := runner.Run(ctx); err != nil && ctx.Err() == nil {
					return fmt.Errorf("running %s: %w", service.Spec().Name, err)
				}
				return nil
			})
		}
	}
	group.Go(func() error {
		if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the sandbox: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		// The parent has ended already; the drain needs time of its own.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return server.Close()
		}
		return nil
	})
	s.env.Logger.Info("sandbox is listening", "url", s.URL(), "data", s.env.DataDir)
	return errors.Join(group.Wait(), s.env.Store.Close())
}
