// Package repository keeps git repositories that template code is read from, and
// reads them: over HTTPS, over SSH and, where the server allows it, from a folder.
// Credentials are encrypted and write-only; they are sent to the host they were
// given for and to no other. What a repository answers is taken for hostile: it is
// bounded in size and time, and nothing of it is run or written outside a temporary
// folder.
//
// It must not know templates, modules or what is done with the files it reads.
package repository

import (
	"io/fs"
	"time"

	"github.com/berthdev/berth/internal/fault"
)

// ID identifies a repository.
type ID string

// Auth is how Berth signs in to a repository.
type Auth string

// The ways to sign in.
const (
	AuthNone     Auth = "none"
	AuthPassword Auth = "password" // user name and password or token, over HTTPS
	AuthSSH      Auth = "ssh"      // private key
)

// Repository is a repository as it may be shown: without its secret.
type Repository struct {
	ID              ID
	ProjectID       string // empty for the organisation
	Name            string
	Description     string
	URL             string
	Username        string
	Auth            Auth
	DefaultRevision string // empty for the branch that the remote calls its HEAD
	KnownHosts      string // lines of a known_hosts file
	CACert          string // PEM, trusted beside the system's
	HasSecret       bool
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Input is what Set makes a repository into. Without a secret the stored one is
// kept, as long as it goes to the host it was given for.
type Input struct {
	Description     string
	URL             string
	Username        string
	Auth            Auth   // empty: what the URL and the secret suggest
	Secret          string // password, token or private key
	Passphrase      string // of the private key
	DefaultRevision string
	KnownHosts      string
	CACert          string
}

// Verdict is what came of a connection test.
type Verdict struct {
	OK            bool
	Message       string // what was found, or what is wrong
	Advice        string // what to do about it; empty when all is well
	HostKey       string // the line of known hosts for an SSH server that is not trusted yet, to compare before it is added
	DefaultBranch string
	Commit        string // the commit of the default revision
	Branches      []string
	Tags          []string
}

// Checkout is the tree of one commit. It is read from a temporary folder that
// Close removes.
type Checkout struct {
	// FS holds regular files and folders, and symbolic links where they stay inside the tree.
	FS       fs.FS
	Commit   string // full hash
	Revision string // the branch, tag or commit that was asked for, or the default

	tree  *tree
	close func() error
}

// Close removes what was fetched. FS cannot be used after.
func (c *Checkout) Close() error { return c.close() }

// Limits bounds what a repository may cost.
type Limits struct {
	PackBytes int64         // what the server sends, compressed
	TreeBytes int64         // the files of the commit together
	TreeFiles int           // files and folders of the commit
	Timeout   time.Duration // of one fetch or test
}

// DefaultLimits returns the limits that a server uses.
func DefaultLimits() Limits {
	return Limits{PackBytes: 200 << 20, TreeBytes: 200 << 20, TreeFiles: 50_000, Timeout: 2 * time.Minute}
}

// Faults of this package.
var (
	ErrNotFound    = fault.New(fault.NotFound, "repository_not_found", "There is no such repository.")
	ErrChanged     = fault.New(fault.Conflict, "repository_changed", "The repository was changed by somebody else.")
	ErrAddress     = fault.New(fault.Invalid, "repository_address", "The address of the repository is refused.")
	ErrUnreachable = fault.New(fault.Unavailable, "repository_unreachable", "The server of the repository does not answer.")
	ErrTimeout     = fault.New(fault.Unavailable, "repository_timeout", "The repository took too long.")
	ErrTLS         = fault.New(fault.Invalid, "repository_tls", "The certificate of the repository's server is not trusted.")
	ErrAuth        = fault.New(fault.Invalid, "repository_auth", "The repository does not accept the credentials.")
	ErrHostKey     = fault.New(fault.Invalid, "repository_host_key", "The host key of the repository's server is not known.")
	ErrMissing     = fault.New(fault.Invalid, "repository_missing", "The server has no repository at the address.")
	ErrProtocol    = fault.New(fault.Invalid, "repository_protocol", "The server does not answer as a git server does.")
	ErrEmpty       = fault.New(fault.Invalid, "repository_empty", "The repository is empty.")
	ErrTooLarge    = fault.New(fault.Invalid, "repository_too_large", "The repository is too large.")
	ErrRevision    = fault.New(fault.Invalid, "revision_not_found", "The repository has no such branch, tag or commit.")
	ErrFolder      = fault.New(fault.Invalid, "repository_folder_not_found", "The repository has no such folder.")
	ErrUnsafe      = fault.New(fault.Invalid, "repository_unsafe", "The repository holds a file that leads out of it.")
	ErrSubmodule   = fault.New(fault.Invalid, "repository_submodule", "The path lies in a submodule, which is not followed.")
)
