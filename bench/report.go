package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one measured value. Peer is what OTF takes, the nearest open relative, where it was measured.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"` // empty for a ratio
	Aim    float64 `json:"aim,omitempty"`  // the value should be no more than this; 0 means there is no aim
	Peer   string  `json:"peer,omitempty"`
	Detail string  `json:"detail,omitempty"`
}

type section struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Figures []figure `json:"figures"`
}

type report struct {
	When    time.Time `json:"when"`
	Version string    `json:"version"`
	Machine string    `json:"machine"`
	Quick   bool      `json:"quick,omitempty"`
	Load    struct {
		Before string `json:"before"`
		After  string `json:"after"`
	} `json:"load_average"`
	Sections []*section `json:"sections"`
}

func (r *report) describe(ctx context.Context, binary string, quick bool) {
	r.When, r.Quick = time.Now().UTC(), quick
	r.Machine = fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if out, err := exec.CommandContext(ctx, binary, "version").Output(); err == nil {
		r.Version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	}
	r.Load.Before = loadAverage()
}

// loadAverage tells how busy the machine was, which is half of what a figure means.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

func (r *report) begin(g group) {
	r.Sections = append(r.Sections, &section{Name: g.name, About: g.about})
}

func (r *report) add(f figure) {
	s := r.Sections[len(r.Sections)-1]
	s.Figures = append(s.Figures, f)
}

func (r *report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	fmt.Fprintf(w, "%s on %s, %s; load average %s before, %s after\n", r.Version, r.Machine, r.When.Format(time.RFC3339), r.Load.Before, r.Load.After)
	if r.Quick {
		fmt.Fprintln(w, "A quick run: too few repetitions to compare anything.")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.Sections {
		fmt.Fprintf(t, "\n%s: %s\n", s.Name, s.About)
		fmt.Fprintln(t, "  FIGURE\tVALUE\tAIM\tPEER\tDETAIL")
		for _, f := range s.Figures {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", f.Name, f.text(), f.aim(), f.Peer, f.Detail)
		}
	}
	return t.Flush()
}

func (f figure) text() string {
	switch f.Unit {
	case "":
		return fmt.Sprintf("%.2f", f.Value)
	case "ms", "kB", "MB":
		return fmt.Sprintf("%.1f %s", f.Value, f.Unit)
	}
	return fmt.Sprintf("%.4g %s", f.Value, f.Unit)
}

func (f figure) aim() string {
	if f.Aim == 0 {
		return ""
	}
	verdict := "met"
	if f.Value > f.Aim {
		verdict = "missed"
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%.4g %s (%s)", f.Aim, f.Unit, verdict)), " ")
}

// samples are durations of the same thing.
type samples []time.Duration

// at returns the value below which a share of the samples lies.
func (s samples) at(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func (s samples) median() time.Duration { return s.at(0.5) }

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
