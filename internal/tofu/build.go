package tofu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// builder makes a tool from a nested module of the checkout and puts it into the cache.
type builder struct {
	cache    cache
	lookPath func(string) (string, error)
}

// build returns the cache entry of the recipe and makes it first if need be. Two processes never make the same one at
// once: the second waits, shows what the first is doing, and uses its result.
func (b builder) build(ctx context.Context, r recipe, report Reporter) (entry, error) {
	track := newTracker(r.Tool, report)
	track.stage(StageLooking, "", 0, "")
	g, err := findGo(ctx, b.lookPath, r.dir)
	if err != nil {
		return entry{}, err
	}
	key, err := r.key(g)
	if err != nil {
		return entry{}, err
	}
	if e, ok := b.cache.get(key); ok {
		return e, nil
	}
	return b.cache.make(ctx, key, track, func(lock *buildLock, staged string) (manifest, error) {
		j := buildJob{recipe: r, goTool: g, lock: lock, staged: staged, track: track}
		m, err := j.run(ctx)
		m.Key = key
		return m, err
	})
}

// make runs fill under the key's lock, with a fresh folder, and commits what it leaves there.
func (c cache) make(ctx context.Context, key string, track *tracker, fill func(*buildLock, string) (manifest, error)) (entry, error) {
	if err := c.prepare(); err != nil {
		return entry{}, err
	}
	lock, err := waitLock(ctx, c.lockPath(key), func(h holder) { track.waiting(h) })
	if err != nil {
		return entry{}, classify("waiting for another process to finish", err, "")
	}
	defer lock.unlock()
	if e, ok := c.get(key); ok { // made while this one waited
		return e, nil
	}
	track.announce(lock)
	staged, err := c.stage(key)
	if err != nil {
		return entry{}, err
	}
	defer func() { _ = os.RemoveAll(staged) }()
	m, err := fill(lock, staged)
	if err != nil {
		return entry{}, err
	}
	track.stage(StageInstalling, "", 0, "")
	m.Installed = track.now()
	m.Took = m.Installed.Sub(track.current.Started)
	e, err := c.commit(staged, m)
	if err != nil {
		return entry{}, classify(m.Tool+" cannot be installed", err, "")
	}
	return e, nil
}

// buildJob is one build under way.
type buildJob struct {
	recipe recipe
	goTool goTool
	lock   *buildLock
	staged string
	track  *tracker
	graph  *packageGraph
}

func (j *buildJob) run(ctx context.Context) (manifest, error) {
	if err := os.Mkdir(filepath.Join(j.staged, "work"), 0o755); err != nil {
		return manifest{}, classify(j.problem(), err, "")
	}
	if err := j.fetchModules(ctx); err != nil {
		return manifest{}, err
	}
	out := filepath.Join(j.staged, j.recipe.Tool)
	if err := j.compile(ctx, out); err != nil {
		return manifest{}, err
	}
	j.track.stage(StageVerifying, "", 0, "")
	if err := j.verify(ctx, out); err != nil {
		return manifest{}, err
	}
	if err := os.RemoveAll(filepath.Join(j.staged, "work")); err != nil {
		return manifest{}, classify(j.problem(), err, "")
	}
	inputs, err := j.recipe.inputs()
	if err != nil {
		return manifest{}, err
	}
	m := manifest{
		Tool: j.recipe.Tool, Version: j.recipe.Version, Origin: OriginBuild, Inputs: inputs,
		Provider: j.recipe.Provider, Go: j.goTool.Version, Binary: j.recipe.Tool,
	}
	if j.recipe.Provider != "" {
		m.Binary, err = layOutMirror(j.staged, j.recipe, out)
		if err != nil {
			return manifest{}, classify(j.problem(), err, "")
		}
	}
	return m, nil
}

func (j *buildJob) problem() string {
	return fmt.Sprintf("%s %s cannot be built", j.recipe.Tool, j.recipe.Version)
}

// fetchModules downloads what the build needs and learns which packages there are.
func (j *buildJob) fetchModules(ctx context.Context) error {
	missing, err := missingModules(j.recipe.dir, j.goTool.ModCache)
	if err != nil {
		return classify(j.problem(), err, "")
	}
	j.track.stage(StageFetchingModules, UnitModules, missing, "")
	var fetched int64
	var output strings.Builder
	packages, err := j.goCommand(ctx, []string{"list", "-mod=readonly", "-deps", "-f", listFormat, j.recipe.Package}, func(line string) {
		switch what, ok := strings.CutPrefix(line, "go: downloading "); {
		case ok:
			fetched++
			j.track.current.Total = max(missing, fetched)
			j.track.advance(fetched, what)
		case line == "": // a second has passed
			j.track.send()
		default:
			output.WriteString(line + "\n")
		}
	})
	if err != nil {
		return classify(j.problem(), err, output.String())
	}
	j.graph, err = readPackages(strings.NewReader(packages))
	if err != nil {
		return classify(j.problem(), err, "")
	}
	return nil
}

func (j *buildJob) compile(ctx context.Context, out string) error {
	available := availableMemory()
	parallel := compilers(runtime.NumCPU(), available)
	detail := ""
	if need := j.recipe.MemoryMB << 20; available > 0 && available < need {
		detail = fmt.Sprintf("%d MB of memory are free, %d MB are needed; other programs may have to be closed", available>>20, j.recipe.MemoryMB)
	}
	j.track.stage(StageCompiling, UnitPackages, j.graph.total(), detail)
	args := append([]string{"build", "-v", "-p", fmt.Sprint(parallel)}, j.recipe.buildArgs()...)
	args = append(args, "-o", out, j.recipe.Package)
	var output strings.Builder
	_, err := j.goCommand(ctx, args, func(line string) {
		switch done, known := j.graph.started(line); {
		case known:
			j.track.advance(done, line)
		case line == "": // a second has passed
			j.beat()
		default:
			output.WriteString(line + "\n")
		}
	})
	if err != nil {
		return classify(j.problem(), err, output.String())
	}
	return nil
}

// beat reports again, so that everybody sees that a long step is still under way, and notices the linker, of which go
// says nothing: it writes the executable into a folder of that name.
func (j *buildJob) beat() {
	if j.track.current.Stage == StageCompiling {
		linking, _ := filepath.Glob(filepath.Join(j.staged, "work", "go-build*", "b001", "exe"))
		if len(linking) > 0 {
			j.track.stage(StageLinking, "", 0, "")
			return
		}
	}
	j.track.send()
}

// verify starts the new binary. A provider refuses to run by itself, which shows that it starts.
func (j *buildJob) verify(ctx context.Context, out string) error {
	if j.recipe.Provider == "" {
		got, err := askVersion(ctx, out, KindTofu)
		if err != nil {
			return err
		}
		if got != j.recipe.Version {
			return &Error{
				Reason: ReasonBuildFailed, Problem: j.problem(),
				Cause:  fmt.Sprintf("the result calls itself %s, the recipe says %s", got, j.recipe.Version),
				Action: "make version in " + filepath.Join(j.recipe.dir, "recipe.json") + " agree with go.mod",
			}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, out)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err == nil || (errors.As(err, &exit) && exit.Exited()) {
		return nil
	}
	return classify(j.problem(), fmt.Errorf("starting the new provider: %w", err), string(output))
}

// goCommand runs the go command in the nested module and returns its standard output. Each line of its standard error
// goes to onLine as it comes, and an empty one each second.
func (j *buildJob) goCommand(ctx context.Context, args []string, onLine func(string)) (string, error) {
	cmd := exec.CommandContext(ctx, j.goTool.Path, args...)
	cmd.Dir = j.recipe.dir
	cmd.Env = buildEnv(filepath.Join(j.staged, "work"))
	cmd.ExtraFiles = []*os.File{j.lock.file}
	cmd.WaitDelay = 10 * time.Second
	ownGroup(cmd)
	var stdout strings.Builder
	cmd.Stdout = &stdout
	reader, writer := io.Pipe()
	cmd.Stderr = writer
	lines := make(chan string)
	var readers sync.WaitGroup
	readers.Go(func() { readLines(reader, lines) })
	readers.Go(func() {
		ticker := time.NewTicker(beatInterval)
		defer ticker.Stop()
		for open := true; open; {
			var line string
			select {
			case line, open = <-lines:
				if line != "" {
					onLine(line)
				}
			case <-ticker.C:
				onLine("")
			}
		}
	})
	err := runGuarded(cmd)
	_ = writer.Close()
	readers.Wait()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return stdout.String(), err
}

const beatInterval = time.Second

func readLines(r io.Reader, lines chan<- string) {
	defer close(lines)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines <- scanner.Text()
	}
	_, _ = io.Copy(io.Discard, r) // an overlong line must not block the compiler
}
