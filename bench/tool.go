package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/berthdev/berth/internal/tofu"
)

// toolchain is the OpenTofu and the providers that both sides use.
type toolchain struct {
	tofu   string
	mirror string // empty where providers come from the registry
	config string // of the bare side
}

// tools finds what Berth itself would use.
func (b *bench) tools(ctx context.Context) (*toolchain, error) {
	if b.tool != nil {
		return b.tool, nil
	}
	m, err := tofu.NewManager(tofu.Config{NoDownload: true})
	if err != nil {
		return nil, fmt.Errorf("looking for OpenTofu: %w", err)
	}
	status, err := m.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for OpenTofu: %w", err)
	}
	if !status.Ready {
		return nil, fmt.Errorf("OpenTofu or a provider is missing; run \"bin/berth toolchain install\" first")
	}
	t := &toolchain{tofu: status.Tofu.Path, mirror: status.Providers.Mirror, config: filepath.Join(b.root, "tool", "cli.tofurc")}
	if err := os.MkdirAll(filepath.Dir(t.config), 0o755); err != nil {
		return nil, fmt.Errorf("making the tool's folder: %w", err)
	}
	if err := status.Providers.CLIConfig().WriteFile(t.config); err != nil {
		return nil, fmt.Errorf("writing the tool's configuration: %w", err)
	}
	b.tool = t
	return t, nil
}

// flags tell a server to use exactly these.
func (t *toolchain) flags() []string {
	flags := []string{"--tofu", t.tofu}
	if t.mirror != "" {
		flags = append(flags, "--provider-mirror", t.mirror)
	}
	return flags
}

// bare is a folder in which somebody runs OpenTofu by hand.
type bare struct {
	dir, tofu, config string
}

func (d bare) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.tofu, args...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+d.config, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "AWS_EC2_METADATA_DISABLED=true")
	return cmd
}

// run runs OpenTofu commands one after the other and returns how long all of them took.
func (d bare) run(ctx context.Context, commands ...[]string) (time.Duration, error) {
	begun := time.Now()
	for _, args := range commands {
		if out, err := d.command(ctx, args...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("tofu %s in %s: %w\n%s", args[0], d.dir, err, out)
		}
	}
	return time.Since(begun), nil
}

func initCommand() []string { return []string{"init", "-input=false", "-no-color"} }

func applyCommand(vars ...string) []string {
	args := []string{"apply", "-auto-approve", "-input=false", "-no-color"}
	for _, v := range vars {
		args = append(args, "-var", v)
	}
	return args
}
