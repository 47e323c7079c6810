package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// rest is how long a server is left alone before its memory is read.
const rest = 5 * time.Second

// start measures berth serve on data that exists, with the toolchain present, as after a reboot.
func (b *bench) start(ctx context.Context) error {
	if _, err := b.tools(ctx); err != nil {
		return err
	}
	if _, err := b.startOnce(ctx); err != nil { // makes the database
		return err
	}
	var serving, ready samples
	for range b.times(10, 3) {
		took, err := b.startOnce(ctx)
		if err != nil {
			return err
		}
		serving, ready = append(serving, took.serving), append(ready, took.ready)
	}
	b.report.add(figure{Name: "started to serving a page, p50", Value: serving.median().Seconds(), Unit: "s", Aim: 0.3, Peer: "0.1 to 0.16 s",
		Detail: fmt.Sprintf("%d starts, slowest %.2f s", len(serving), serving.at(1).Seconds())})
	b.report.add(figure{Name: "started to ready for deploys, p50", Value: ready.median().Seconds(), Unit: "s", Aim: 0.3,
		Detail: fmt.Sprintf("slowest %.2f s", ready.at(1).Seconds())})
	return b.atRest(ctx)
}

type started struct{ serving, ready time.Duration }

func (b *bench) startOnce(ctx context.Context) (t started, err error) {
	begun := time.Now()
	s, err := b.launch(ctx, "start", []string{"serve"})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.await(ctx, "/signin"); err != nil {
		return t, err
	}
	t.serving = time.Since(begun)
	if err := s.await(ctx, "/readyz"); err != nil {
		return t, err
	}
	t.ready = time.Since(begun)
	return t, nil
}

func (b *bench) atRest(ctx context.Context) (err error) {
	s, err := b.launch(ctx, "start", []string{"serve"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := errors.Join(s.await(ctx, "/readyz"), pause(ctx, rest)); err != nil {
		return err
	}
	m, err := readMemory(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.report.add(m.figure("resident memory at rest"))
	return nil
}

// memory is what a process holds, in kB.
type memory struct{ all, own, files int }

func (m memory) figure(name string) figure {
	return figure{Name: name, Value: float64(m.all) / 1000, Unit: "MB", Aim: 60, Peer: "65 MB + 62 MB PostgreSQL",
		Detail: fmt.Sprintf("%.1f MB its own, %.1f MB pages of the binary and other files", float64(m.own)/1000, float64(m.files)/1000)}
}

func readMemory(pid int) (memory, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, fmt.Errorf("reading the server's memory: %w", err)
	}
	defer f.Close()
	var m memory
	fields := map[string]*int{"VmRSS": &m.all, "RssAnon": &m.own, "RssFile": &m.files}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if to, ok := fields[name]; ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				return m, fmt.Errorf("reading the server's memory: %w", err)
			}
			*to = kib * 1024 / 1000
		}
	}
	return m, lines.Err()
}

// tick is the unit of times in /proc, which Linux fixes for programs whatever the kernel uses itself.
const tick = 10 * time.Millisecond

// cpuTime is the processor time a process has used.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the server's processor time: %w", err)
	}
	// The second field is the program's name and may hold anything, so counting begins behind it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("reading the server's processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
