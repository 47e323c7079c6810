package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/templates"
)

// ecs compares deploys of the template that ships, both sides against the same sandbox and with the same provider. A bare
// deploy that is not counted comes first: it brings the provider's 200 MB into the page cache and the image into the
// sandbox, which else only the first of the two would pay for.
func (b *bench) ecs(ctx context.Context) (err error) {
	tools, err := b.tools(ctx)
	if err != nil {
		return err
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	s, err := b.launch(ctx, "ecs", append([]string{"dev", "--sandbox-addr", addr}, tools.flags()...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.await(ctx, "/readyz"); err != nil {
		return err
	}
	c, err := s.client(ctx)
	if err != nil {
		return err
	}
	e := &ecsRun{bench: b, client: c, tools: tools, sandbox: addr}
	if _, err := e.bare(ctx); err != nil {
		return err
	}
	var cold time.Duration
	var warm, bares samples
	for i := range b.times(4, 2) {
		took, err := e.berth(ctx, i)
		if err != nil {
			return err
		}
		if i == 0 {
			cold = took
		} else {
			warm = append(warm, took)
		}
		if took, err = e.bare(ctx); err != nil {
			return err
		}
		bares = append(bares, took)
	}
	of := func(took time.Duration) string {
		return fmt.Sprintf("Berth %.1f s, bare init and apply of both modules %.1f s (median of %d)", took.Seconds(), bares.median().Seconds(), len(bares))
	}
	b.report.add(figure{Name: "first deploy on fresh data, against bare", Value: ratio(cold, bares.median()), Aim: 1.05, Detail: of(cold)})
	b.report.add(figure{Name: "later environments, against bare", Value: ratio(warm.median(), bares.median()), Aim: 1, Detail: of(warm.median())})
	return nil
}

// ecsRun holds the two sides.
type ecsRun struct {
	*bench
	client  *api.Client
	tools   *toolchain
	sandbox string
	bares   int
}

func (e *ecsRun) berth(ctx context.Context, i int) (time.Duration, error) {
	name := fmt.Sprintf("ecs-%d", i+1)
	fmt.Fprintf(e.say, "    %s through Berth\n", name)
	if _, err := e.client.CreateEnvironment(ctx, project, api.CreateEnvironment{Name: name, Template: "ecs", Version: "v1"}); err != nil {
		return 0, fmt.Errorf("creating %s: %w", name, err)
	}
	pressed := time.Now()
	err := deploy(ctx, e.client, name)
	return time.Since(pressed), err
}

// bare runs init and apply of both modules in order, each in a new folder.
func (e *ecsRun) bare(ctx context.Context) (time.Duration, error) {
	e.bares++
	name := fmt.Sprintf("bare-%d", e.bares)
	fmt.Fprintf(e.say, "    %s\n", name)
	vpc, err := e.module("vpc", name)
	if err != nil {
		return 0, err
	}
	app, err := e.module("aws-ecs", name)
	if err != nil {
		return 0, err
	}
	common := []string{"name=" + name, "region=us-east-1", `tags={"bench"="bare"}`}
	first, err := vpc.run(ctx, initCommand(), applyCommand(common...))
	if err != nil {
		return 0, err
	}
	outputs, err := vpc.outputs(ctx) // not counted
	if err != nil {
		return 0, err
	}
	vars := common
	for _, output := range []string{"public_subnet_ids", "private_subnet_ids"} {
		vars = append(vars, output+"="+string(outputs[output]))
	}
	vars = append(vars, "vpc_id="+strings.Trim(string(outputs["vpc_id"]), `"`))
	second, err := app.run(ctx, initCommand(), applyCommand(vars...))
	return first + second, err
}

// module writes one of the template's modules into a new folder, with its provider turned to the sandbox.
func (e *ecsRun) module(module, name string) (bare, error) {
	d := bare{dir: filepath.Join(e.root, "bare", name, module), tofu: e.tools.tofu, config: e.tools.config}
	code, err := fs.Sub(templates.Files, "ecs/"+module)
	if err != nil {
		return d, fmt.Errorf("reading the template: %w", err)
	}
	if err := os.CopyFS(d.dir, code); err != nil {
		return d, fmt.Errorf("writing the module: %w", err)
	}
	override := "provider \"aws\" {\n  access_key = \"sandbox\"\n  secret_key = \"sandbox\"\n  skip_credentials_validation = true\n" +
		"  skip_metadata_api_check = true\n  skip_region_validation = true\n  endpoints {\n"
	for _, service := range []string{"cloudwatchlogs", "ec2", "ecs", "elbv2", "iam", "sts"} {
		override += fmt.Sprintf("    %s = %q\n", service, "http://"+e.sandbox)
	}
	override += "  }\n}\n"
	if err := os.WriteFile(filepath.Join(d.dir, "sandbox_override.tf"), []byte(override), 0o600); err != nil {
		return d, fmt.Errorf("writing the module: %w", err)
	}
	return d, nil
}

func (d bare) outputs(ctx context.Context) (map[string]json.RawMessage, error) {
	text, err := d.command(ctx, "output", "-json").Output()
	if err != nil {
		return nil, fmt.Errorf("reading the outputs: %w", err)
	}
	var all map[string]struct{ Value json.RawMessage }
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("reading the outputs: %w in %q", err, text)
	}
	out := map[string]json.RawMessage{}
	for name, o := range all {
		out[name] = o.Value
	}
	return out, nil
}
