package web

import "github.com/berthdev/berth/internal/authz"

// Route is a row of the table, for the test of who may do what.
type Route struct {
	Method, Pattern string
	Permission      authz.Permission
}

// The permissions that are no row of the table of package authz.
const (
	Anyone  = anyone
	AnyUser = anyUser
)

// Routes is the table.
func Routes() []Route {
	var out []Route
	for _, rt := range routes() {
		out = append(out, Route{rt.method, rt.pattern, rt.permission})
	}
	return out
}
