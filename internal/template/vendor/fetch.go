package vendor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

// fetch runs init, which installs modules and chooses providers. A lock file that the source has is kept as it is: who
// wrote it down wants exactly these providers, so what it does not cover is told instead of chosen.
func (w *workspace) fetch(ctx context.Context, t *tool, walk bundle.Walk, locked []byte) ([]bundle.Problem, error) {
	if locked != nil {
		if _, err := tofu.ReadLock(locked); err != nil {
			return []bundle.Problem{{Severity: bundle.Error, File: tofu.LockFileName, Message: fmt.Sprintf(
				"the lock file cannot be read (%v); make it again with \"%s init\"", errors.Unwrap(err), t.binary.Kind)}}, nil
		}
	}
	if err := w.writeConfig(t, locked != nil); err != nil {
		return nil, err
	}
	out, err := w.run(ctx, t, true, w.opts.InitTime, t.dialect.Fetch(locked != nil))
	if err != nil {
		return nil, err
	}
	if out.late {
		return []bundle.Problem{{Severity: bundle.Error, Message: fmt.Sprintf(
			"fetching modules and providers took longer than %s and was stopped; look whether this server reaches the places they come from, and try again",
			w.opts.InitTime)}}, nil
	}
	x := explainer{w: w, tool: t, walk: walk, lock: locked}
	var problems []bundle.Problem
	for line := range bytes.Lines(out.out) {
		e, err := tofu.ParseEvent(line)
		if err != nil || e.Type != tofu.EventDiagnostic {
			continue
		}
		if p, ok := x.fetching(*e.Diag); ok {
			problems = append(problems, p)
		}
	}
	if out.code != 0 && !failed(problems) {
		problems = append(problems, bundle.Problem{Severity: bundle.Error, Message: fmt.Sprintf(
			"%s could not initialise the module: %s", t.binary.Kind.Product(), lastWords(out))})
	}
	return problems, nil
}

// validate lets the tool check the code against the providers it uses.
func (w *workspace) validate(ctx context.Context, t *tool) ([]bundle.Problem, error) {
	out, err := w.run(ctx, t, false, w.opts.ValidateTime, t.dialect.Validate())
	if err != nil {
		return nil, err
	}
	if out.late {
		return []bundle.Problem{{Severity: bundle.Warning, Message: fmt.Sprintf(
			"the code was not checked: %s validate took longer than %s and was stopped", t.binary.Kind, w.opts.ValidateTime)}}, nil
	}
	diags, err := tofu.ParseValidation(out.out)
	if err != nil {
		return []bundle.Problem{{Severity: bundle.Error, Message: fmt.Sprintf(
			"%s could not check the code: %s", t.binary.Kind.Product(), lastWords(out))}}, nil
	}
	var problems []bundle.Problem
	for _, d := range diags {
		problems = append(problems, w.problem(d))
	}
	return problems, nil
}

// lastWords is what a tool said that ended in its own words instead of a diagnostic.
func lastWords(out output) string {
	text := strings.TrimSpace(string(out.err))
	if text == "" {
		text = strings.TrimSpace(string(out.out))
	}
	var words []string
	for line := range strings.Lines(text) {
		if line = strings.Trim(line, " \t\r\n│╷╵"); line != "" {
			words = append(words, line)
		}
	}
	if len(words) > 6 {
		words = words[len(words)-6:]
	}
	if len(words) == 0 {
		return fmt.Sprintf("it ended with exit code %d and said nothing", out.code)
	}
	return strings.Join(words, " ")
}
