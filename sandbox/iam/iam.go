// Package iam is the sandbox's Identity and Access Management: roles, their
// policies, and managed policies. It records who may do what and enforces
// nothing: every caller of the sandbox may do everything. It must not know the
// services that use its roles.
package iam

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// Service is IAM.
type Service struct {
	env      *core.Env
	roles    core.Collection[Role]
	policies core.Collection[policy]
}

// New makes the service.
func New(env *core.Env) *Service {
	return &Service{
		env:      env,
		roles:    core.NewCollection[Role]("iam", "role"),
		policies: core.NewCollection[policy]("iam", "policy"),
	}
}

// operation is one IAM action inside a transaction.
type operation func(tx *core.Tx, r *core.Request) (any, error)

// Spec describes the service to the front.
func (s *Service) Spec() core.Spec {
	ops := map[string]core.Handler{}
	for name, op := range s.readers() {
		ops[name] = func(_ context.Context, r *core.Request) (any, error) {
			return core.Read(s.env.Store, func(tx *core.Tx) (any, error) { return op(tx, r) })
		}
	}
	for name, op := range s.writers() {
		ops[name] = func(_ context.Context, r *core.Request) (any, error) {
			return core.Write(s.env.Store, func(tx *core.Tx) (any, error) { return op(tx, r) })
		}
	}
	return core.Spec{
		Name: "iam", Title: "Identity and Access Management", Protocol: core.ProtocolQuery,
		Namespace: "https://iam.amazonaws.com/doc/2010-05-08/", Operations: ops,
	}
}

func (s *Service) readers() map[string]operation {
	return map[string]operation{
		"GetRole":                            s.getRole,
		"ListRoles":                          s.listRoles,
		"ListRoleTags":                       s.listRoleTags,
		"GetRolePolicy":                      s.getRolePolicy,
		"ListRolePolicies":                   s.listRolePolicies,
		"ListAttachedRolePolicies":           s.listAttachedRolePolicies,
		"ListInstanceProfilesForRole":        s.listInstanceProfilesForRole,
		"GetServiceLinkedRoleDeletionStatus": deletionStatus,
		"GetPolicy":                          s.getPolicy,
		"ListPolicies":                       s.listPolicies,
		"ListPolicyTags":                     s.listPolicyTags,
		"GetPolicyVersion":                   s.getPolicyVersion,
		"ListPolicyVersions":                 s.listPolicyVersions,
		"ListEntitiesForPolicy":              s.listEntitiesForPolicy,
		"GetUser":                            s.getUser,
		"ListAccountAliases":                 listAccountAliases,
	}
}

func (s *Service) writers() map[string]operation {
	return map[string]operation{
		"CreateRole":                    s.createRole,
		"DeleteRole":                    s.deleteRole,
		"UpdateRole":                    s.updateRole,
		"UpdateRoleDescription":         s.updateRoleDescription,
		"UpdateAssumeRolePolicy":        s.updateAssumeRolePolicy,
		"PutRolePermissionsBoundary":    s.putRolePermissionsBoundary,
		"DeleteRolePermissionsBoundary": s.deleteRolePermissionsBoundary,
		"TagRole":                       s.tagRole,
		"UntagRole":                     s.untagRole,
		"PutRolePolicy":                 s.putRolePolicy,
		"DeleteRolePolicy":              s.deleteRolePolicy,
		"AttachRolePolicy":              s.attachRolePolicy,
		"DetachRolePolicy":              s.detachRolePolicy,
		"CreateServiceLinkedRole":       s.createServiceLinkedRole,
		"DeleteServiceLinkedRole":       s.deleteServiceLinkedRole,
		"CreatePolicy":                  s.createPolicy,
		"DeletePolicy":                  s.deletePolicy,
		"CreatePolicyVersion":           s.createPolicyVersion,
		"DeletePolicyVersion":           s.deletePolicyVersion,
		"SetDefaultPolicyVersion":       s.setDefaultPolicyVersion,
		"TagPolicy":                     s.tagPolicy,
		"UntagPolicy":                   s.untagPolicy,
	}
}

func noSuchEntity(format string, args ...any) *core.Error {
	return core.Errorf("NoSuchEntity", format, args...).WithStatus(http.StatusNotFound)
}

func conflict(code, format string, args ...any) *core.Error {
	return core.Errorf(code, format, args...).WithStatus(http.StatusConflict)
}

// required returns a parameter that must be there.
func required(r *core.Request, name string) (string, error) {
	v := r.Form.Get(name)
	if v == "" {
		return "", core.Errorf("ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must not be null", name)
	}
	return v, nil
}

var (
	nameShape = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathShape = regexp.MustCompile(`^/([!-~]*/)?$`)
)

func checkName(parameter, name string, limit int) error {
	if !nameShape.MatchString(name) {
		return core.Errorf("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", parameter)
	}
	if len(name) > limit {
		return core.Errorf("ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", parameter, limit)
	}
	return nil
}

func readPath(r *core.Request) (string, error) {
	path := r.Form.Get("Path")
	if path == "" {
		return "/", nil
	}
	if !pathShape.MatchString(path) {
		return "", core.Errorf("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return path, nil
}

// checkDocument refuses what is not a policy at all; it does not judge one.
func checkDocument(doc string) error {
	var p struct {
		Version   string          `json:"Version"`
		Statement json.RawMessage `json:"Statement"`
	}
	if err := json.Unmarshal([]byte(doc), &p); err != nil || len(p.Statement) == 0 {
		return core.Errorf("MalformedPolicyDocument", "The policy document is not valid: it must be a JSON object with a Statement.")
	}
	if p.Version != "" && p.Version != "2012-10-17" && p.Version != "2008-10-17" {
		return core.Errorf("MalformedPolicyDocument", "The policy must contain a valid version string")
	}
	return nil
}

// encodeDocument is how IAM sends policies back: percent-encoded.
func encodeDocument(doc string) string {
	return strings.ReplaceAll(url.QueryEscape(doc), "+", "%20")
}

type tagItem struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

func tagItems(tags core.Tags) core.Members[tagItem] {
	var out core.Members[tagItem]
	for _, t := range tags.Sorted() {
		out = append(out, tagItem(t))
	}
	return out
}

func checkTags(tags core.Tags) error {
	if len(tags) > 50 {
		return conflict("LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	for key := range tags {
		if key == "" || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return core.Errorf("InvalidInput", "Tag keys must not be empty or start with aws:, as %q does.", key)
		}
	}
	return nil
}

// listing is the common end of List calls.
type listing struct {
	Truncated bool   `xml:"IsTruncated"`
	Marker    string `xml:"Marker,omitempty"`
}

func page[T any](r *core.Request, items []T, key func(T) string) ([]T, listing, error) {
	limit, err := r.Form.Int("MaxItems", 100)
	if err != nil {
		return nil, listing{}, err
	}
	items, next, err := core.Page(items, key, r.Form.Get("Marker"), limit)
	return items, listing{Truncated: next != "", Marker: next}, err
}

func self(s string) string { return s }

func (s *Service) getUser(_ *core.Tx, r *core.Request) (any, error) {
	type user struct {
		Path    string         `xml:"Path"`
		Name    string         `xml:"UserName"`
		ID      string         `xml:"UserId"`
		ARN     string         `xml:"Arn"`
		Created core.Timestamp `xml:"CreateDate"`
	}
	if name := r.Form.Get("UserName"); name != "" && name != "sandbox" {
		return nil, noSuchEntity("The user with name %s cannot be found.", name)
	}
	return struct {
		User user `xml:"User"`
	}{user{"/", "sandbox", "AIDASANDBOXSANDBOX000", core.ARN("iam", "", "user/sandbox"), core.At(time.Unix(0, 0))}}, nil
}

func listAccountAliases(*core.Tx, *core.Request) (any, error) {
	return struct {
		Aliases core.Members[string] `xml:"AccountAliases"`
		listing
	}{}, nil
}

// Inventory lists the roles and policies of the account's owner.
func (s *Service) Inventory(tx *core.Tx) map[string][]core.Item {
	out := map[string][]core.Item{}
	for _, v := range s.roles.List(tx, core.Global) {
		out["role"] = append(out["role"], core.Item{ID: v.Name, ARN: v.ARN(), Name: v.Name, Tags: v.Tags})
	}
	for _, v := range s.policies.List(tx, core.Global) {
		out["policy"] = append(out["policy"], core.Item{ID: v.ID, ARN: v.ARN, Name: v.Name, Tags: v.Tags})
	}
	return out
}
