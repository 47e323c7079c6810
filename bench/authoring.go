package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/api"
)

// authoring measures what a platform team waits for: publishing code, the form that developers get, and applying many
// documents. All of it goes over HTTP.
func (b *bench) authoring(ctx context.Context) (err error) {
	tools, err := b.tools(ctx)
	if err != nil {
		return err
	}
	s, err := b.dev(ctx, "authoring", tools.flags()...)
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
	for _, part := range []func(context.Context, *seeded) error{b.publishing, b.form, b.documents} {
		if err := part(ctx, &seeded{server: s, api: c}); err != nil {
			return err
		}
	}
	return nil
}

// apply applies documents that must be accepted, and returns how long that took.
func (s *seeded) apply(ctx context.Context, project, text, change string, folders map[string]string) (time.Duration, error) {
	begun := time.Now()
	out, err := s.api.Apply(ctx, project, api.Apply{Documents: []api.DocumentFile{{File: "all.yaml", Text: text}}, Folders: folders})
	took := time.Since(begun)
	if err != nil {
		return 0, fmt.Errorf("applying: %w", err)
	}
	for _, r := range out.Results {
		if r.Error != nil {
			return 0, fmt.Errorf("applying: %w", r.Error)
		}
		if change != "" && r.Change != change {
			return 0, fmt.Errorf("%s %s is %s and not %s", r.Kind, r.Name, r.Change, change)
		}
	}
	return took, nil
}

func packed(files map[string]string) (*bytes.Buffer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			return nil, err
		}
	}
	return &out, w.Close()
}

const head = "---\napiVersion: berth.dev/v1\nkind: "

// publishing sends a module of 50 files and makes a version of it, beside the two commands of the tool that this includes.
func (b *bench) publishing(ctx context.Context, s *seeded) error {
	var ours, bares samples
	for i := range b.times(20, 2) {
		files := map[string]string{}
		for n := range 50 {
			files[fmt.Sprintf("file%d.tf", n)] = fmt.Sprintf("# %d\nvariable \"v%d\" {\n  type = object({ a = string, b = optional(list(number), [1]) })\n}\noutput \"o%d\" {\n  value = var.v%d.a\n}\n%s",
				i, n, n, n, strings.Repeat("# Some words about it.\n", 100))
		}
		archive, err := packed(files)
		if err != nil {
			return err
		}
		begun := time.Now()
		up, err := s.api.Upload(ctx, project, archive)
		if err != nil {
			return fmt.Errorf("uploading: %w", err)
		}
		text := head + fmt.Sprintf("ResourceTemplate\nmetadata: {name: fifty}\nspec: {version: v%d, versionState: active, source: {upload: %q}}\n", i, up.Digest)
		if _, err := s.apply(ctx, project, text, "created", nil); err != nil {
			return err
		}
		ours = append(ours, time.Since(begun))
		took, err := b.bareCheck(ctx, i, files)
		if err != nil {
			return err
		}
		bares = append(bares, took)
	}
	b.report.add(figure{Name: "publish a module of 50 files, against bare init and validate", Value: ratio(ours.median(), bares.median()),
		Detail: fmt.Sprintf("medians of %d: %.0f ms / %.0f ms", len(ours), millis(ours.median()), millis(bares.median()))})
	return nil
}

func (b *bench) bareCheck(ctx context.Context, i int, files map[string]string) (time.Duration, error) {
	dir := filepath.Join(b.root, "bare", fmt.Sprint("fifty", i))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return 0, err
		}
	}
	return bare{dir: dir, tofu: b.tool.tofu, config: b.tool.config}.run(ctx, append(initCommand(), "-backend=false"), []string{"validate", "-no-color"})
}

// form gets a form of 100 inputs, and has it checked as it is while somebody types.
func (b *bench) form(ctx context.Context, s *seeded) error {
	code, typed := hundredInputs()
	archive, err := packed(map[string]string{"main.tf": code})
	if err != nil {
		return err
	}
	up, err := s.api.Upload(ctx, project, archive)
	if err != nil {
		return fmt.Errorf("uploading: %w", err)
	}
	text := head + fmt.Sprintf("ResourceTemplate\nmetadata: {name: hundred}\nspec: {version: v1, versionState: active, source: {upload: %q}}\n", up.Digest) +
		head + "EnvironmentTemplate\nmetadata: {name: hundred}\nspec: {version: v1, versionState: active, resources: [{name: a, template: hundred}]}\n"
	if _, err := s.apply(ctx, project, text, "created", nil); err != nil {
		return err
	}
	m, err := s.measure(ctx, address{"form", "/p/demo/environments/new?template=hundred&version=v1", ""}, b.times(100, 5))
	if err != nil {
		return err
	}
	b.report.add(figure{Name: "form of 100 inputs, p95", Value: millis(m.took.at(0.95)), Unit: "ms", Detail: m.String()})
	took, err := s.check(ctx, typed, b.times(100, 5))
	if err != nil {
		return err
	}
	b.report.add(figure{Name: "check of 100 inputs while typing, p95", Value: millis(took.at(0.95)), Unit: "ms", Aim: 50,
		Detail: fmt.Sprintf("the whole round trip, p95 of %d; p50 %.1f ms", len(took), millis(took.median()))})
	return nil
}

// hundredInputs is a module with 100 variables of all sorts, and what somebody typed, of which one thing is wrong.
func hundredInputs() (code string, typed url.Values) {
	var out strings.Builder
	typed = url.Values{"name": {"mine"}, "template": {"hundred"}, "version": {"v1"}}
	for i := range 25 {
		fmt.Fprintf(&out, `variable "text%[1]d" {
  type    = string
  default = "value-%[1]d"
  validation {
    condition     = length(var.text%[1]d) <= 40 && can(regex("^[a-z0-9-]+$", var.text%[1]d))
    error_message = "Use lower-case letters."
  }
}
variable "number%[1]d" {
  type    = number
  default = %[1]d
  validation {
    condition     = var.number%[1]d >= 0 && var.number%[1]d <= 1000
    error_message = "No."
  }
}
variable "list%[1]d" {
  type    = list(string)
  default = ["a", "b", "c"]
}
variable "rules%[1]d" {
  type    = list(object({ port = number, protocol = optional(string, "tcp"), tags = optional(map(string), {}) }))
  default = [{ port = 80 }, { port = 443, tags = { a = "b" } }]
  validation {
    condition     = alltrue([for r in var.rules%[1]d : r.port >= 1 && r.port <= 65535 && contains(["tcp", "udp"], r.protocol)])
    error_message = "Bad."
  }
}
`, i)
		typed.Set(fmt.Sprintf("in.text%d", i), "changed")
		typed.Set(fmt.Sprintf("in.number%d", i), "77")
		typed.Set(fmt.Sprintf("in.rules%d[0].port", i), "8080")
	}
	typed.Set("in.number7", "5000")
	return out.String(), typed
}

// check posts what was typed, as the form does, and looks that the mistake is told.
func (s *seeded) check(ctx context.Context, typed url.Values, n int) (samples, error) {
	var took samples
	for i := range warmUp + n {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/p/demo/environments/check", strings.NewReader(typed.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", s.URL)
		req.AddCookie(&http.Cookie{Name: "berth_session", Value: s.api.Token})
		begun := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return nil, err
		}
		if i >= warmUp {
			took = append(took, time.Since(begun))
		}
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "1000") {
			return nil, fmt.Errorf("checking the form answered %s: %s", resp.Status, body)
		}
	}
	return took, nil
}

// documents applies 200 documents to new projects, and again. The modules are uploaded before, and are the same in each
// project, as they would be in a repository.
func (b *bench) documents(ctx context.Context, s *seeded) error {
	var first, again samples
	for i := range b.times(3, 1) {
		name := fmt.Sprintf("many-%d", i)
		if _, err := s.api.CreateProject(ctx, api.CreateProject{Name: name}); err != nil {
			return fmt.Errorf("making a project: %w", err)
		}
		text, folders, err := s.manyDocuments(ctx, name)
		if err != nil {
			return err
		}
		took, err := s.apply(ctx, name, text, "created", folders)
		if err != nil {
			return err
		}
		first = append(first, took)
		for range b.times(5, 2) {
			if took, err = s.apply(ctx, name, text, "unchanged", folders); err != nil {
				return err
			}
			again = append(again, took)
		}
	}
	b.report.add(figure{Name: "apply 200 documents, the first time", Value: first.median().Seconds(), Unit: "s",
		Detail: fmt.Sprintf("median of %d; 60 of them are code, which the tool completes and checks", len(first))})
	b.report.add(figure{Name: "apply them unchanged, against the first time", Value: ratio(again.median(), first.median()), Aim: 0.25,
		Detail: fmt.Sprintf("median of %d: %.0f ms", len(again), millis(again.median()))})
	return nil
}

// manyDocuments are 20 contexts, 20 static resources, 60 templates of each kind and 40 environments.
func (s *seeded) manyDocuments(ctx context.Context, project string) (string, map[string]string, error) {
	var b strings.Builder
	folders := map[string]string{}
	for i := range 20 {
		fmt.Fprintf(&b, head+"ConfigContext\nmetadata: {name: c%d}\nspec:\n  envs: [{key: REGION, value: eu-%d}, {key: TOKEN, value: t%d, options: {sensitive: true}}]\n", i, i, i)
		fmt.Fprintf(&b, head+"StaticResource\nmetadata: {name: s%d}\nspec:\n  variables: [{name: id, value: id-%d}]\n", i, i)
	}
	for i := range 60 {
		archive, err := packed(map[string]string{"main.tf": fmt.Sprintf("# %d\nvariable \"vpc_id\" {\n  type = string\n}\nvariable \"replicas\" {\n  type    = number\n  default = 1\n}\noutput \"id\" {\n  value = var.vpc_id\n}\n", i)})
		if err != nil {
			return "", nil, err
		}
		up, err := s.api.Upload(ctx, project, archive)
		if err != nil {
			return "", nil, fmt.Errorf("uploading: %w", err)
		}
		folders[fmt.Sprintf("all.yaml#m%d", i)] = up.Digest
		fmt.Fprintf(&b, head+"ResourceTemplate\nmetadata: {name: r%d}\nspec: {version: v1, versionState: active, source: {folder: m%d}}\n", i, i)
		fmt.Fprintf(&b, head+`EnvironmentTemplate
metadata: {name: e%[1]d, description: Number %[1]d.}
spec:
  version: v1
  versionState: active
  contexts: [{name: c%[2]d}]
  resources: [{name: s, kind: static, static: s%[2]d}, {name: r, template: r%[1]d, version: v1}]
  variables: [{name: vpc_id, valueType: expression, value: "$(resource['s'].output.id)$", options: {override: {type: notallowed}}}, {name: replicas, value: 2}]
`, i, i%20)
	}
	for i := range 40 {
		fmt.Fprintf(&b, head+"Environment\nmetadata: {name: env%d}\nspec: {template: {name: e%d, version: v1}, variables: [{name: replicas, value: 3}]}\n", i, i)
	}
	return b.String(), folders, nil
}
