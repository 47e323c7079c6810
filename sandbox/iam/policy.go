package iam

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// policy is a managed policy with its versions, newest last.
type policy struct {
	ARN         string
	Name        string
	ID          string
	Path        string
	Description string
	Tags        core.Tags
	Created     time.Time
	Updated     time.Time
	Default     string
	NextVersion int
	Versions    []version
	AWS         bool
}

type version struct {
	ID       string
	Document string
	Created  time.Time
}

// maxVersions is how many versions IAM keeps of a policy.
const maxVersions = 5

func (p policy) version(id string) (version, error) {
	i := slices.IndexFunc(p.Versions, func(v version) bool { return v.ID == id })
	if i < 0 {
		return version{}, noSuchEntity("Policy %s version %s does not exist or is not attachable.", p.ARN, id)
	}
	return p.Versions[i], nil
}

// policy finds a managed policy, AWS's or the account's own.
func (s *Service) policy(tx *core.Tx, arn string) (policy, error) {
	if p, ok := awsPolicy(arn); ok {
		return p, nil
	}
	p, ok := s.policies.Get(tx, core.Global, arn)
	if !ok {
		return p, noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	}
	return p, nil
}

// own finds a policy that the account may change.
func (s *Service) own(tx *core.Tx, r *core.Request) (policy, error) {
	arn, err := required(r, "PolicyArn")
	if err != nil {
		return policy{}, err
	}
	p, err := s.policy(tx, arn)
	if err == nil && p.AWS {
		return p, core.Errorf("AccessDenied", "The policy %s is AWS's own and cannot be changed.", arn).WithStatus(403)
	}
	return p, err
}

func (s *Service) putPolicy(tx *core.Tx, p policy) { s.policies.Put(tx, core.Global, p.ARN, p) }

type policyItem struct {
	Name        string                `xml:"PolicyName"`
	ID          string                `xml:"PolicyId"`
	ARN         string                `xml:"Arn"`
	Path        string                `xml:"Path"`
	Default     string                `xml:"DefaultVersionId"`
	Attachments int                   `xml:"AttachmentCount"`
	Boundaries  int                   `xml:"PermissionsBoundaryUsageCount"`
	Attachable  bool                  `xml:"IsAttachable"`
	Description string                `xml:"Description,omitempty"`
	Created     core.Timestamp        `xml:"CreateDate"`
	Updated     core.Timestamp        `xml:"UpdateDate"`
	Tags        core.Members[tagItem] `xml:"Tags"`
}

func (s *Service) policyItem(tx *core.Tx, p policy) policyItem {
	item := policyItem{
		Name: p.Name, ID: p.ID, ARN: p.ARN, Path: p.Path, Default: p.Default, Attachable: true, Description: p.Description,
		Created: core.At(p.Created.Truncate(time.Second)), Updated: core.At(p.Updated.Truncate(time.Second)), Tags: tagItems(p.Tags),
	}
	for _, v := range s.roles.List(tx, core.Global) {
		if slices.Contains(v.Attached, p.ARN) {
			item.Attachments++
		}
		if v.Boundary == p.ARN {
			item.Boundaries++
		}
	}
	return item
}

type policyResult struct {
	Policy policyItem `xml:"Policy"`
}

func (s *Service) createPolicy(tx *core.Tx, r *core.Request) (any, error) {
	name, err := required(r, "PolicyName")
	if err != nil {
		return nil, err
	}
	if err := checkName("policyName", name, 128); err != nil {
		return nil, err
	}
	path, err := readPath(r)
	if err != nil {
		return nil, err
	}
	doc := r.Form.Get("PolicyDocument")
	if err := checkDocument(doc); err != nil {
		return nil, err
	}
	now := s.env.Clock.Now()
	p := policy{
		ARN: core.ARN("iam", "", "policy"+path+name), Name: name, ID: core.NewUniqueID("ANPA"), Path: path, Description: r.Form.Get("Description"),
		Tags: r.Form.Tags("Tags"), Created: now, Updated: now, Default: "v1", NextVersion: 2, Versions: []version{{"v1", doc, now}},
	}
	if err := checkTags(p.Tags); err != nil {
		return nil, err
	}
	if _, taken := s.policies.Find(tx, core.Global, func(o policy) bool { return strings.EqualFold(o.Name, name) }); taken {
		return nil, conflict("EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", name)
	}
	s.putPolicy(tx, p)
	return policyResult{s.policyItem(tx, p)}, nil
}

func (s *Service) getPolicy(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.policy(tx, r.Form.Get("PolicyArn"))
	if err != nil {
		return nil, err
	}
	return policyResult{s.policyItem(tx, p)}, nil
}

func (s *Service) listPolicies(tx *core.Tx, r *core.Request) (any, error) {
	scope := r.Form.Get("Scope")
	var all []policy
	if scope != "AWS" {
		all = append(all, s.policies.List(tx, core.Global)...)
	}
	if scope != "Local" {
		all = append(all, awsPolicies()...)
	}
	var items []policyItem
	for _, p := range all {
		item := s.policyItem(tx, p)
		if strings.HasPrefix(p.Path, r.Form.Get("PathPrefix")) && (!r.Form.Bool("OnlyAttached") || item.Attachments > 0) {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b policyItem) int { return strings.Compare(a.ARN, b.ARN) })
	items, rest, err := page(r, items, func(p policyItem) string { return p.ARN })
	return struct {
		Policies core.Members[policyItem] `xml:"Policies"`
		listing
	}{items, rest}, err
}

func (s *Service) deletePolicy(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.own(tx, r)
	if err != nil {
		return nil, err
	}
	item := s.policyItem(tx, p)
	if item.Attachments+item.Boundaries > 0 {
		return nil, conflict("DeleteConflict", "Cannot delete a policy attached to entities.")
	}
	if len(p.Versions) > 1 {
		return nil, conflict("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	s.policies.Delete(tx, core.Global, p.ARN)
	return nil, nil
}

type versionItem struct {
	Document string         `xml:"Document,omitempty"`
	ID       string         `xml:"VersionId"`
	Default  bool           `xml:"IsDefaultVersion"`
	Created  core.Timestamp `xml:"CreateDate"`
}

func (p policy) versionItem(v version, withDocument bool) versionItem {
	item := versionItem{ID: v.ID, Default: v.ID == p.Default, Created: core.At(v.Created.Truncate(time.Second))}
	if withDocument {
		item.Document = encodeDocument(v.Document)
	}
	return item
}

type versionResult struct {
	Version versionItem `xml:"PolicyVersion"`
}

func (s *Service) createPolicyVersion(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.own(tx, r)
	if err != nil {
		return nil, err
	}
	doc := r.Form.Get("PolicyDocument")
	if err := checkDocument(doc); err != nil {
		return nil, err
	}
	if len(p.Versions) >= maxVersions {
		return nil, conflict("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
	}
	v := version{fmt.Sprintf("v%d", p.NextVersion), doc, s.env.Clock.Now()}
	p.NextVersion++
	p.Versions = append(p.Versions, v)
	if r.Form.Bool("SetAsDefault") {
		p.Default = v.ID
	}
	p.Updated = v.Created
	s.putPolicy(tx, p)
	return versionResult{p.versionItem(v, false)}, nil
}

func (s *Service) getPolicyVersion(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.policy(tx, r.Form.Get("PolicyArn"))
	if err != nil {
		return nil, err
	}
	v, err := p.version(r.Form.Get("VersionId"))
	if err != nil {
		return nil, err
	}
	return versionResult{p.versionItem(v, true)}, nil
}

func (s *Service) listPolicyVersions(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.policy(tx, r.Form.Get("PolicyArn"))
	if err != nil {
		return nil, err
	}
	var out struct {
		Versions core.Members[versionItem] `xml:"Versions"`
		listing
	}
	for _, v := range slices.Backward(p.Versions) {
		out.Versions = append(out.Versions, p.versionItem(v, false))
	}
	return out, nil
}

func (s *Service) deletePolicyVersion(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.own(tx, r)
	if err != nil {
		return nil, err
	}
	v, err := p.version(r.Form.Get("VersionId"))
	if err != nil {
		return nil, err
	}
	if v.ID == p.Default {
		return nil, conflict("DeleteConflict", "Cannot delete the default version of a policy.")
	}
	p.Versions = slices.DeleteFunc(p.Versions, func(x version) bool { return x.ID == v.ID })
	s.putPolicy(tx, p)
	return nil, nil
}

func (s *Service) setDefaultPolicyVersion(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.own(tx, r)
	if err != nil {
		return nil, err
	}
	v, err := p.version(r.Form.Get("VersionId"))
	if err != nil {
		return nil, err
	}
	p.Default, p.Updated = v.ID, s.env.Clock.Now()
	s.putPolicy(tx, p)
	return nil, nil
}

func (s *Service) listEntitiesForPolicy(tx *core.Tx, r *core.Request) (any, error) {
	type role struct {
		Name string `xml:"RoleName"`
		ID   string `xml:"RoleId"`
	}
	p, err := s.policy(tx, r.Form.Get("PolicyArn"))
	if err != nil {
		return nil, err
	}
	var out struct {
		Roles  core.Members[role]     `xml:"PolicyRoles"`
		Users  core.Members[struct{}] `xml:"PolicyUsers"`
		Groups core.Members[struct{}] `xml:"PolicyGroups"`
		listing
	}
	if filter := r.Form.Get("EntityFilter"); filter != "" && filter != "Role" {
		return out, nil
	}
	boundary := r.Form.Get("PolicyUsageFilter") == "PermissionsBoundary"
	for _, v := range s.roles.List(tx, core.Global) {
		if !boundary && slices.Contains(v.Attached, p.ARN) || boundary && v.Boundary == p.ARN {
			out.Roles = append(out.Roles, role{v.Name, v.ID})
		}
	}
	return out, nil
}

func (s *Service) listPolicyTags(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.policy(tx, r.Form.Get("PolicyArn"))
	return struct {
		Tags core.Members[tagItem] `xml:"Tags"`
		listing
	}{Tags: tagItems(p.Tags)}, err
}

func (s *Service) tagPolicy(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.own(tx, r)
	if err != nil {
		return nil, err
	}
	p.Tags = p.Tags.With(r.Form.Tags("Tags"), nil)
	if err := checkTags(p.Tags); err != nil {
		return nil, err
	}
	s.putPolicy(tx, p)
	return nil, nil
}

func (s *Service) untagPolicy(tx *core.Tx, r *core.Request) (any, error) {
	p, err := s.own(tx, r)
	if err != nil {
		return nil, err
	}
	p.Tags = p.Tags.With(nil, r.Form.List("TagKeys"))
	s.putPolicy(tx, p)
	return nil, nil
}
