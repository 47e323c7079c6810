package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/berthdev/berth/api"
)

// address is a page or a list of the API.
type address struct{ name, path, peer string }

// peerLists is what the peer takes for 20 of 1,000 workspaces, and peerPage for its list page.
const (
	peerLists = "60 to 122 ms"
	peerPage  = "3 to 7 ms"
)

// mainPages are those of the navigation and of an environment.
func mainPages() []address {
	const prj, env = "/p/" + project, "/p/" + project + "/environments/" + first
	return []address{
		{"page: environments", prj + "/environments", peerPage},
		{"page: environments, filtered", prj + "/environments?q=bench-09&status=deployed", ""},
		{"page: environments, a later page", prj + "/environments?after=bench-0049", ""},
		{"page: new environment", prj + "/environments/new", ""},
		{"page: environment", env, ""},
		{"page: environment, resources", env + "/resources", ""},
		{"page: environment, inputs", env + "/inputs", ""},
		{"page: environment, activity", env + "/activity", ""},
		{"page: environment, settings", env + "/settings", ""},
		{"page: run", env + "/runs/1", ""},
		{"page: command palette", prj + "/palette?q=bench", ""},
		{"page: activity", prj + "/activity", ""},
		{"page: templates", prj + "/templates", ""},
		{"page: template", prj + "/templates/sample", ""},
		{"page: contexts", prj + "/contexts", ""},
		{"page: members", prj + "/settings/members", ""},
		{"page: audit log", prj + "/settings/audit", ""},
		{"page: projects", "/projects", ""},
	}
}

func lists() []address {
	const prj, env = api.Prefix + "/projects/" + project, api.Prefix + "/projects/" + project + "/environments/" + first
	return []address{
		{"API: environments, 20", prj + "/environments?limit=20", peerLists},
		{"API: environments, 100", prj + "/environments?limit=100", ""},
		{"API: environments, filtered", prj + "/environments?status=failed&q=bench", ""},
		{"API: environment", env, ""},
		{"API: outputs", env + "/outputs", ""},
		{"API: runs", env + "/runs", ""},
		{"API: run", env + "/runs/1", ""},
		{"API: templates", prj + "/templates", ""},
		{"API: contexts", prj + "/contexts", ""},
		{"API: audit log", prj + "/audit", ""},
		{"API: projects", api.Prefix + "/projects", ""},
		{"API: me", api.Prefix + "/me", ""},
	}
}

// pages asks for each address many times from one client that keeps its connection. The way over the loopback is part of
// the figure.
func (b *bench) pages(ctx context.Context) error {
	s, err := b.seed(ctx)
	if err != nil {
		return err
	}
	var all samples
	for _, a := range append(mainPages(), lists()...) {
		m, err := s.measure(ctx, a, b.times(200, 20))
		if err != nil {
			return err
		}
		all = append(all, m.took...)
		b.report.add(figure{Name: a.name, Value: millis(m.took.at(0.95)), Unit: "ms", Aim: 10, Peer: a.peer, Detail: m.String()})
	}
	b.report.add(figure{Name: "all of them together", Value: millis(all.at(0.95)), Unit: "ms", Aim: 10,
		Detail: fmt.Sprintf("p95 of %d; p50 %.1f ms, p99 %.1f ms", len(all), millis(all.median()), millis(all.at(0.99)))})
	m, err := readMemory(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	f := m.figure("resident memory right after all that")
	f.Aim, f.Peer = 0, ""
	b.report.add(f)
	return nil
}

// warmUp is how many requests are made before any is counted.
const warmUp = 5

// answers are what one address gave.
type answers struct {
	took samples
	cpu  time.Duration // of the server, for all of them
	size int           // of the last
}

// String tells the processor time too: unlike the rest it hardly depends on what else the machine is doing.
func (a answers) String() string {
	return fmt.Sprintf("p95 of %d; p50 %.1f ms, processor time %.1f ms, %.1f kB",
		len(a.took), millis(a.took.median()), millis(a.cpu)/float64(len(a.took)), kilobytes(a.size))
}

func (s *seeded) measure(ctx context.Context, a address, n int) (answers, error) {
	var all answers
	var before time.Duration
	for i := range warmUp + n {
		if i == warmUp {
			var err error
			if before, err = cpuTime(s.cmd.Process.Pid); err != nil {
				return all, err
			}
		}
		begun := time.Now()
		body, err := s.get(ctx, a.path)
		if err != nil {
			return all, err
		}
		if i >= warmUp {
			all.took = append(all.took, time.Since(begun))
		}
		all.size = len(body)
	}
	after, err := cpuTime(s.cmd.Process.Pid)
	all.cpu = after - before
	return all, err
}

// get fetches an address as a signed-in browser, or program, does.
func (s *seeded) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.api.Token)
	req.AddCookie(&http.Cookie{Name: "berth_session", Value: s.api.Token})
	req.Header.Set("Accept-Encoding", "gzip") // by hand, so that it is not undone here
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", path, resp.Status)
	}
	return body, nil
}

// sizes compares what a browser loads with the budgets of the user interface.
func (b *bench) sizes(ctx context.Context) error {
	s, err := b.seed(ctx)
	if err != nil {
		return err
	}
	var scripts, styles int
	for _, f := range []struct {
		pattern string
		sum     *int
	}{{"*.js", &scripts}, {"*.css", &styles}} {
		paths, err := filepath.Glob(filepath.Join("internal", "web", "static", "files", f.pattern))
		if err != nil || len(paths) == 0 {
			return errors.Join(err, errors.New("no files below internal/web/static; run it in the top folder of the source"))
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("reading %s: %w", path, err)
			}
			*f.sum += compressed(text)
		}
	}
	own, err := os.ReadFile(filepath.Join("internal", "web", "assets", "app.js"))
	if err != nil {
		return fmt.Errorf("reading the script: %w", err)
	}
	b.report.add(figure{Name: "JavaScript", Value: kilobytes(scripts), Unit: "kB", Aim: 60, Detail: "all files, gzip"})
	b.report.add(figure{Name: "JavaScript of our own", Value: float64(bytes.Count(own, []byte("\n"))), Unit: "lines", Aim: 500})
	b.report.add(figure{Name: "CSS", Value: kilobytes(styles), Unit: "kB", Aim: 40, Detail: "all files, gzip"})
	return b.pageSizes(ctx, s)
}

func (b *bench) pageSizes(ctx context.Context, s *seeded) error {
	var largest figure
	for _, a := range mainPages() {
		body, err := s.get(ctx, a.path)
		if err != nil {
			return err
		}
		if size := kilobytes(len(body)); size > largest.Value {
			largest = figure{Name: "HTML of the largest page", Value: size, Unit: "kB", Aim: 40, Detail: "as sent; " + a.name}
		}
	}
	b.report.add(largest)
	return nil
}

func compressed(text []byte) int {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text) // a buffer takes everything
	_ = z.Close()
	return b.Len()
}

func kilobytes(n int) float64 { return float64(n) / 1024 }
