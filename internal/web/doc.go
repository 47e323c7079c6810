// Package web is the HTML transport: pages as pure functions of view models, and the handlers that fill those. A page
// never calls a service and never reads a request.
package web
