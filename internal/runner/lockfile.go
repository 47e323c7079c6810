package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berthdev/berth/internal/tofu"
)

// relaxLock takes the version of a provider out of the private lock file when it was built by Berth and this machine has
// another one by now. Such a provider meets the sandbox only, and an upgrade must not leave environments there that
// cannot be destroyed. A version that was released is never exchanged.
func (s *supervisor) relaxLock(root string) error {
	path := filepath.Join(root, tofu.LockFileName)
	locked, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || s.spec.Tool.CLIConfig == "" {
		return nil
	}
	if err != nil {
		return err
	}
	config, err := tofu.ReadCLIConfig(s.spec.Tool.CLIConfig)
	if err != nil || config.Mirror == "" {
		return nil // whatever it is, the tool will tell
	}
	packages, err := tofu.ReadMirror(config.Mirror)
	if err != nil {
		return err
	}
	relaxed, err := tofu.EditLock(locked, func(p tofu.LockedProvider) tofu.LockEdit {
		built := ""
		for _, have := range packages {
			if have.Address != p.Address {
				continue
			}
			if have.Version == p.Version || !have.SandboxOnly {
				return tofu.LockKeep
			}
			built = have.Version
		}
		if len(p.Hashes) > 0 || built == "" {
			return tofu.LockKeep
		}
		s.notice("lock_relaxed", fmt.Sprintf("the provider %s %s was built by an earlier Berth, this machine has %s", p.Address, p.Version, built))
		return tofu.LockRemove
	})
	if err != nil {
		return fail("init_failed", "the bundle's lock file cannot be read", err)
	}
	return os.WriteFile(path, relaxed, 0o600)
}
