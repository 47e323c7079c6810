// Package core is what every service of the sandbox stands on: the HTTP front
// that speaks AWS's wire protocols, the guard that decides who may call, the
// durable store, identifiers, tags, pages of results, fault injection and the
// sandbox's own pages under /_sandbox.
//
// It knows protocols and records, and must not know any AWS service: nothing
// here may name a VPC, a role or a task, and it imports no other package of the
// sandbox.
package core
