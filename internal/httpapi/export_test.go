package httpapi

import "github.com/berthdev/berth/internal/authz"

// Two permissions that are no row of the table of package authz.
const (
	Anyone  = anyone
	AnyUser = anyUser
)

// Route is a row of the table of routes.
type Route struct {
	Method, Path string
	Permission   authz.Permission
}

// Routes returns the table of routes.
func Routes() []Route {
	var out []Route
	for _, r := range (&server{}).routes() {
		out = append(out, Route{r.method, r.path, r.permission})
	}
	return out
}
