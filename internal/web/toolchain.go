package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/web/views"
)

func (s *server) toolchain(w http.ResponseWriter, r *http.Request) error {
	page, err := s.page(w, r, "Preparing OpenTofu")
	if err != nil {
		return err
	}
	snap := s.Tools.Snapshot()
	if snap.State == tofu.StateReady {
		s.setFlash(w, views.FlashOK, "OpenTofu is ready.")
		return redirect(w, r, "/")
	}
	page.EventsURL = "/toolchain/events"
	v := views.ToolchainPage{Page: page, State: *toolchainView(snap, page.Now)}
	v.Toolchain = nil // the page itself says it
	return render(w, r, http.StatusOK, ToolchainPage(v))
}

// toolchainEvents sends how far the preparation is, for the banner and for the page.
func (s *server) toolchainEvents(w http.ResponseWriter, r *http.Request) error {
	out := s.stream(w, r)
	changes, stop := s.Tools.Subscribe()
	defer stop()
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-tick.C:
			if !out.alive() {
				return nil
			}
		case snap := <-changes:
			if err := s.sendToolchain(r, out, snap); err != nil {
				return nil //nolint:nilerr // the reader has gone
			}
		}
	}
}

func (s *server) sendToolchain(r *http.Request, out *stream, snap tofu.Snapshot) error {
	v := toolchainView(snap, s.now())
	if v == nil {
		v = &views.Toolchain{What: "OpenTofu is ready"}
	}
	banner, page := toolchainBanner(*v, snap.State == tofu.StateReady), ToolchainProgress(*v)
	if err := out.fragment(r.Context(), "", "toolchain", banner); err != nil {
		return err
	}
	return out.fragment(r.Context(), "", "toolchain-page", page)
}

// toolchainView is nil when there is nothing to tell: the toolchain is ready, or nobody needs it yet.
func toolchainView(snap tofu.Snapshot, now time.Time) *views.Toolchain {
	if snap.State == tofu.StateReady {
		return nil
	}
	v := &views.Toolchain{What: "Looking for OpenTofu"}
	if snap.State == tofu.StateIdle {
		v.What = "OpenTofu is not being prepared yet"
	}
	if !snap.Started.IsZero() {
		v.Started, v.Elapsed = views.At(snap.Started, now), views.Duration(now.Sub(snap.Started))
	}
	for _, p := range snap.Tools {
		v.Stages = append(v.Stages, views.ToolchainStage{Name: toolName(p.Tool), Status: stageStatus(p.Stage), Detail: stageDetail(p, now)})
		if p.Stage == tofu.StageReady || p.Stage == tofu.StageFailed {
			continue
		}
		v.What = stageWords(p)
		v.Done, v.Total, v.Unit = int(p.Done), int(p.Total), string(p.Unit)
		if p.Unit == tofu.UnitBytes {
			v.Done, v.Total, v.Unit = int(p.Done>>20), int(p.Total>>20), "MB"
		}
	}
	if snap.State == tofu.StateFailed {
		v.Failed = "It is not known why."
		if snap.Err != nil {
			v.Failed = snap.Err.Problem
			if snap.Err.Cause != "" {
				v.Failed += ": " + snap.Err.Cause
			}
			if snap.Err.Action != "" {
				v.Failed += ". " + strings.ToUpper(snap.Err.Action[:1]) + snap.Err.Action[1:]
			}
		}
	}
	return v
}

func toolName(tool string) string {
	switch tool {
	case "tofu":
		return "OpenTofu"
	case "terraform-provider-aws":
		return "AWS provider"
	}
	return tool
}

func theTool(tool string) string {
	if tool == "tofu" {
		return "OpenTofu"
	}
	return "the " + toolName(tool)
}

func stageStatus(s tofu.Stage) views.Status {
	switch s {
	case tofu.StageReady:
		return views.Succeeded
	case tofu.StageFailed:
		return views.Failed
	case tofu.StageWaiting:
		return views.Pending
	case tofu.StageLooking, tofu.StageDownloading, tofu.StageFetchingModules, tofu.StageCompiling, tofu.StageLinking, tofu.StageVerifying, tofu.StageInstalling:
	}
	return views.Running
}

func stageWords(p tofu.Progress) string {
	switch p.Stage {
	case tofu.StageLooking:
		return "Looking for " + theTool(p.Tool)
	case tofu.StageWaiting:
		return "Waiting for another process that prepares " + theTool(p.Tool)
	case tofu.StageDownloading:
		return "Downloading " + theTool(p.Tool)
	case tofu.StageFetchingModules:
		return "Downloading the source of " + theTool(p.Tool)
	case tofu.StageCompiling, tofu.StageLinking:
		return "Building " + theTool(p.Tool)
	case tofu.StageVerifying:
		return "Checking " + theTool(p.Tool)
	case tofu.StageInstalling, tofu.StageReady, tofu.StageFailed:
	}
	return "Installing " + theTool(p.Tool)
}

func stageDetail(p tofu.Progress, now time.Time) string {
	if p.Stage == tofu.StageReady || p.Stage == tofu.StageFailed {
		return ""
	}
	if f, known := p.Fraction(); known {
		return string(p.Stage) + ", " + percent(f)
	}
	return string(p.Stage) + ", " + views.Duration(p.Elapsed(now))
}
