// Package templates holds the templates that ship with Berth, each a folder with a template.yaml and its modules. They are
// published the way every template is; nothing knows them by name.
package templates

import "embed"

// Files holds the folders.
//
//go:embed all:ecs all:sample
var Files embed.FS
