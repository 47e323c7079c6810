package tofu

import "path/filepath"

// Kind tells which product a binary is.
type Kind string

const (
	KindTofu      Kind = "tofu"
	KindTerraform Kind = "terraform"
)

// Product returns the name as people write it.
func (k Kind) Product() string {
	if k == KindTerraform {
		return "Terraform"
	}
	return "OpenTofu"
}

// Origin tells how a binary was found.
type Origin string

const (
	OriginConfig   Origin = "config"
	OriginPath     Origin = "path"
	OriginDownload Origin = "download"
	OriginBuild    Origin = "build"
)

// Binary is a verified executable. Runs record it, so that it can be told later what touched an environment.
type Binary struct {
	Kind    Kind   `json:"kind"`
	Path    string `json:"path"`
	Version string `json:"version"`
	Origin  Origin `json:"origin"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// ProviderSource tells where providers come from.
type ProviderSource string

const (
	ProvidersFromRegistry ProviderSource = "registry"
	ProvidersFromMirror   ProviderSource = "mirror"
)

// Providers is the decision where providers come from; it is taken apart from that for the binary.
type Providers struct {
	Source ProviderSource `json:"source"`
	// Mirror is the absolute path of a filesystem mirror; empty when the registry serves.
	Mirror string `json:"mirror,omitempty"`
	// Packages lists what the mirror holds.
	Packages []ProviderPackage `json:"packages,omitempty"`
}

// ProviderPackage is one provider in a filesystem mirror.
type ProviderPackage struct {
	// Address is host/namespace/type.
	Address  string `json:"address"`
	Version  string `json:"version"`
	Platform string `json:"platform"`
	Path     string `json:"path"`
	// SandboxOnly is set for a provider that Berth built itself. It may not meet real credentials unless the operator
	// allows it.
	SandboxOnly bool `json:"sandbox_only"`
}

// SandboxOnly reports whether any package of the mirror was built by Berth for the sandbox alone.
func (p Providers) SandboxOnly() bool {
	for _, pkg := range p.Packages {
		if pkg.SandboxOnly {
			return true
		}
	}
	return false
}

// CLIConfig returns the configuration file tofu must be started with for this decision.
func (p Providers) CLIConfig() CLIConfig {
	if p.Source != ProvidersFromMirror {
		return CLIConfig{}
	}
	addresses := make([]string, 0, len(p.Packages))
	seen := map[string]bool{}
	for _, pkg := range p.Packages {
		if !seen[pkg.Address] {
			seen[pkg.Address] = true
			addresses = append(addresses, pkg.Address)
		}
	}
	return CLIConfig{Mirror: filepath.Clean(p.Mirror), MirrorProviders: addresses}
}

// Toolchain is everything a run needs.
type Toolchain struct {
	Tofu      Binary    `json:"tofu"`
	Providers Providers `json:"providers"`
}
