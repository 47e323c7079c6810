// Package templates holds the templates that ship with Berth. They are published
// like anybody's; nothing in Berth knows their names.
package templates

import "embed"

// Files has one folder per template, with its template.yaml and its modules.
//
//go:embed all:ecs all:sample
var Files embed.FS
