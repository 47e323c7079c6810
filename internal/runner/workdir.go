package runner

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const fileInputs = "inputs.tfvars.json" // in work

// defaultPath is what a step finds programs in.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// reservedEnv are variables a config context cannot set, because the runner's own hold the step together.
var reservedEnv = [...]string{"PATH", "HOME", "TMPDIR", "TF_DATA_DIR", "TF_WORKSPACE", "TF_CLI_CONFIG_FILE", "TF_INPUT",
	"TF_IN_AUTOMATION", "TF_PLUGIN_CACHE_DIR", "TF_REATTACH_PROVIDERS", "TF_STATE_PERSIST_INTERVAL"}

func reserved(name string) bool {
	for _, r := range reservedEnv {
		if name == r {
			return true
		}
	}
	return strings.HasPrefix(name, "TF_HTTP_") || strings.HasPrefix(name, "TF_CLI_ARGS") || strings.HasPrefix(name, "TF_LOG") ||
		strings.HasPrefix(name, "BERTH_")
}

// buildEnv makes the environment of the step's processes from nothing: what the server has in its own does not get in.
func (s *supervisor) buildEnv() {
	path := s.Path
	if path == "" {
		path = defaultPath
	}
	env := []string{
		"PATH=" + path, "HOME=" + s.dir.path(dirWork, dirHome), "TMPDIR=" + s.tmpDir(), "LANG=C.UTF-8",
		"TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1", attemptMarker(s.dir),
	}
	if s.spec.Tool.CLIConfig != "" {
		env = append(env, "TF_CLI_CONFIG_FILE="+s.spec.Tool.CLIConfig)
	} else {
		// Without one the tool would look for a file in HOME and complain when there is none.
		env = append(env, "TF_CLI_CONFIG_FILE=/dev/null")
	}
	if sb := s.spec.Sandbox; sb != nil {
		env = append(env, "AWS_ACCESS_KEY_ID="+sb.AccessKey, "AWS_SECRET_ACCESS_KEY="+sb.SecretKey,
			"AWS_REGION="+sb.Region, "AWS_DEFAULT_REGION="+sb.Region, "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL="+sb.Endpoint)
	}
	for n, v := range s.Env {
		if _, own := s.spec.Env[n]; !own {
			env = append(env, n+"="+v)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(s.spec.Env)) {
		if reserved(n) {
			s.notice("env_ignored", fmt.Sprintf("the variable %s of a config context is ignored: Berth sets it itself", n))
			continue
		}
		if s.spec.Sandbox != nil && strings.HasPrefix(n, "AWS_") {
			continue // real credentials have no business in a sandbox run
		}
		env = append(env, n+"="+s.spec.Env[n])
	}
	s.env = env
}

func (s *supervisor) tmpDir() string {
	if s.id.ShortTmp != "" {
		return filepath.Join(s.id.ShortTmp, dirTmp)
	}
	return s.dir.path(dirWork, dirTmp)
}

// furnish writes inputs, files and overrides into the private copy of the module.
func (s *supervisor) furnish(root string) error {
	m, err := readModule(root)
	if err != nil {
		return err
	}
	inputs := map[string]json.RawMessage{}
	for name, v := range s.spec.Variables {
		if m.variables[name] {
			inputs[name] = v
		}
	}
	b, err := json.Marshal(inputs)
	if err != nil {
		return fail("input_invalid", "an input value is no JSON", err)
	}
	if err := os.WriteFile(s.varFile(), b, 0o600); err != nil {
		return err
	}
	if err := s.writeFiles(root); err != nil {
		return err
	}
	if s.spec.Sandbox != nil {
		return writeSandboxOverride(root, m, *s.spec.Sandbox)
	}
	return nil
}

func (s *supervisor) varFile() string { return s.dir.path(dirWork, fileInputs) }

func (s *supervisor) writeFiles(root string) error {
	for _, f := range s.spec.Files {
		base, rel := root, filepath.FromSlash(f.Path)
		if rest, ok := strings.CutPrefix(f.Path, "~/"); ok {
			base, rel = s.dir.path(dirWork, dirHome), filepath.FromSlash(rest)
		}
		if err := writeBelow(base, rel, f); err != nil {
			return fail("file_invalid", fmt.Sprintf("the file %q of a config context cannot be written", f.Path), err)
		}
	}
	return nil
}

func writeBelow(base, rel string, f File) error {
	dir, err := os.OpenRoot(base)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.MkdirAll(filepath.Dir(rel), 0o700); err != nil {
		return err
	}
	mode := fs.FileMode(f.Mode).Perm()
	if mode == 0 {
		mode = 0o600
	}
	if err := dir.WriteFile(rel, f.Content, mode); err != nil {
		return err
	}
	return dir.Chmod(rel, mode) // whatever the umask took away
}
