package tofu

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// compilerMemory is what one compiler takes for the larger packages of these builds.
const compilerMemory = 1200 << 20

// compilers returns how many packages to compile at once: one per processor, fewer when memory is short, because a
// machine that swaps or kills the compiler is slower than one that waits.
func compilers(cpus int, available int64) int {
	if available <= 0 {
		return max(1, cpus)
	}
	return max(1, min(cpus, int(available/compilerMemory)))
}

// availableMemory returns how much memory a build may take, 0 when the system does not say.
func availableMemory() int64 {
	available := meminfo("/proc/meminfo")
	limit, used := readNumber("/sys/fs/cgroup/memory.max"), readNumber("/sys/fs/cgroup/memory.current")
	if limit > 0 && used >= 0 && (available == 0 || limit-used < available) {
		available = max(1, limit-used)
	}
	return available
}

func meminfo(path string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		rest, ok := strings.CutPrefix(scanner.Text(), "MemAvailable:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0
		}
		return kb << 10
	}
	return 0
}

func readNumber(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil { // "max"
		return 0
	}
	return n
}
