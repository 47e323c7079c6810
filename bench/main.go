// Command bench measures Berth from outside, as its users meet it: real server processes on free ports of 127.0.0.1, the
// real OpenTofu and the real provider, each figure beside its aim and beside what a peer takes on a machine of the same
// size. Where bare OpenTofu does the same work, both run in turn and the figure is their ratio. It judges nothing: machines
// differ, so a missed aim is told and is no failure. It must not reach into a running server, nor into the user's own data.
//
// Run it with "make bench", which builds bin/berth first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// group is a set of figures that are taken together and can be asked for by name.
type group struct {
	name, about string
	run         func(*bench, context.Context) error
}

func groups() []group {
	return []group{
		{"sizes", "what a browser loads, compressed", (*bench).sizes},
		{"start", "start-up and memory at rest", (*bench).start},
		{"pages", "pages and lists at 1,000 environments, one client", (*bench).pages},
		{"authoring", "publishing code, a form of 100 inputs, 200 documents", (*bench).authoring},
		{"trivial", "one terraform_data, through Berth and bare", (*bench).trivial},
		{"ecs", "the ECS template, through Berth and bare", (*bench).ecs},
	}
}

// bench is one run of the program.
type bench struct {
	binary string // the berth binary
	root   string // temporary, everything lies below it
	quick  bool
	say    io.Writer // progress
	report report

	tool *toolchain // found once
	many *seeded    // the server with many environments, started once
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var names []string
	for _, g := range groups() {
		names = append(names, g.name)
	}
	only := flags.String("only", "", "groups to run, separated by commas: "+strings.Join(names, ", "))
	quick := flags.Bool("quick", false, "fewer repetitions and 100 environments, to see that it works; not for comparing")
	asJSON := flags.Bool("json", false, "print JSON")
	binary := flags.String("berth", filepath.Join("bin", "berth"), "the berth binary to measure")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	b := &bench{quick: *quick, say: progress}
	if b.binary, err = filepath.Abs(*binary); err != nil {
		return fmt.Errorf("finding the berth binary: %w", err)
	}
	if _, err := os.Stat(b.binary); err != nil {
		return fmt.Errorf("there is no %s; run \"make build\" first: %w", *binary, err)
	}
	if b.root, err = os.MkdirTemp("", "berth-bench-"); err != nil {
		return fmt.Errorf("making a folder for the run: %w", err)
	}
	defer func() { err = errors.Join(err, b.clean()) }()
	b.report.describe(ctx, b.binary, *quick)
	for _, g := range chosen {
		fmt.Fprintf(b.say, "==> %s: %s\n", g.name, g.about)
		b.report.begin(g)
		if err := g.run(b, ctx); err != nil {
			return fmt.Errorf("measuring %s: %w", g.name, err)
		}
	}
	b.report.Load.After = loadAverage()
	return b.report.write(out, *asJSON)
}

func choose(only string) ([]group, error) {
	all := groups()
	if only == "" {
		return all, nil
	}
	var chosen []group
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(g group) bool { return g.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no group %q; see -help", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// times is n, or fewer when only the program itself is tried.
func (b *bench) times(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}

// pause waits, or returns early when the run is interrupted.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
