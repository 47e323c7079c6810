// Package runner carries out one step, one resource of an environment, in a working directory of its own: it applies,
// destroys or plans one OpenTofu root module under a supervisor process that outlives the server.
//
// The caller starts a step with a Spec, follows its records by offset, and settles it once everything was taken over.
// A caller that was restarted adopts the step and goes on reading where it stopped.
//
// The package must not know databases, HTTP transports, templates or runs: it sees a bundle, inputs and a state, and
// it hands back records, a log and sealed files. It decides nothing about what happens next.
package runner

import "log/slog"

// Config says where a Local keeps its files and how it isolates steps. All directories must be absolute.
type Config struct {
	Dir      string // private work root, one directory per attempt of a step (0700)
	LockDir  string // one lock file per resource; must be shared by every runner of this machine
	CacheDir string // initialised directories, one per bundle and tool

	// Exe is re-executed as the supervisor. Empty means the running binary, which must call MaybeSupervise first
	// thing in main.
	Exe string

	// Hide lists directories and files that template code must not see, normally the data directory and the key file.
	// They are covered in a mount namespace where the system permits one. What a step needs below them (its own private
	// directory, its initialised directory, the tool, Expose) stays visible.
	Hide []string
	// Expose lists paths below Hide that stay readable, for example a provider mirror.
	Expose []string

	// Path is the PATH of steps; empty means a plain system path.
	Path string

	// Env is what every step gets besides its own: proxies, certificate bundles. A step's own variables win.
	Env map[string]string

	Logger *slog.Logger // nil discards
}

// Local runs steps on this machine. It holds no state in memory: everything is in its directories, so two of them on
// the same directories (an old and a new server) see the same steps.
type Local struct {
	cfg Config
}
