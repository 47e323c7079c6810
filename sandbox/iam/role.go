package iam

import (
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// Role is an identity that services and people take on.
type Role struct {
	Name        string
	ID          string
	Path        string
	Description string
	Trust       string // the assume role policy, as it came
	MaxSession  int
	Boundary    string
	Tags        core.Tags
	Created     time.Time
	Inline      map[string]string
	Attached    []string // ARNs of managed policies, in order of attaching
	Service     string   // service-linked: whose role it is
}

// ARN is the role's full name.
func (v Role) ARN() string { return core.ARN("iam", "", "role"+v.Path+v.Name) }

// Role finds a role by name or ARN.
func (s *Service) Role(tx *core.Tx, nameOrARN string) (Role, bool) {
	if !strings.HasPrefix(nameOrARN, "arn:") {
		return s.roles.Get(tx, core.Global, nameOrARN)
	}
	v, ok := s.roles.Get(tx, core.Global, nameOrARN[strings.LastIndex(nameOrARN, "/")+1:])
	return v, ok && v.ARN() == nameOrARN
}

// RoleByARN returns the unique id of the role with this ARN.
func (s *Service) RoleByARN(tx *core.Tx, arn string) (id string, ok bool) {
	v, ok := s.Role(tx, arn)
	return v.ID, ok
}

// roleOf finds the role that a call names.
func (s *Service) roleOf(tx *core.Tx, r *core.Request) (Role, error) {
	name, err := required(r, "RoleName")
	if err != nil {
		return Role{}, err
	}
	v, ok := s.roles.Get(tx, core.Global, name)
	if !ok {
		return v, noSuchEntity("The role with name %s cannot be found.", name)
	}
	return v, nil
}

// editable is roleOf for calls that AWS refuses on service-linked roles.
func (s *Service) editable(tx *core.Tx, r *core.Request) (Role, error) {
	v, err := s.roleOf(tx, r)
	if err == nil && v.Service != "" {
		return v, core.Errorf("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", v.Name)
	}
	return v, err
}

func (s *Service) put(tx *core.Tx, v Role) { s.roles.Put(tx, core.Global, v.Name, v) }

type boundaryItem struct {
	Type string `xml:"PermissionsBoundaryType"`
	ARN  string `xml:"PermissionsBoundaryArn"`
}

type roleItem struct {
	Path        string                `xml:"Path"`
	Name        string                `xml:"RoleName"`
	ID          string                `xml:"RoleId"`
	ARN         string                `xml:"Arn"`
	Created     core.Timestamp        `xml:"CreateDate"`
	Trust       string                `xml:"AssumeRolePolicyDocument"`
	Description string                `xml:"Description,omitempty"`
	MaxSession  int                   `xml:"MaxSessionDuration"`
	Boundary    *boundaryItem         `xml:"PermissionsBoundary,omitempty"`
	Tags        core.Members[tagItem] `xml:"Tags"`
	LastUsed    struct{}              `xml:"RoleLastUsed"`
}

func (v Role) item() roleItem {
	item := roleItem{
		Path: v.Path, Name: v.Name, ID: v.ID, ARN: v.ARN(), Created: core.At(v.Created.Truncate(time.Second)),
		Trust: encodeDocument(v.Trust), Description: v.Description, MaxSession: v.MaxSession, Tags: tagItems(v.Tags),
	}
	if v.Boundary != "" {
		item.Boundary = &boundaryItem{"Policy", v.Boundary}
	}
	return item
}

type roleResult struct {
	Role roleItem `xml:"Role"`
}

func (s *Service) getRole(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.roleOf(tx, r)
	return roleResult{v.item()}, err
}

func (s *Service) listRoles(tx *core.Tx, r *core.Request) (any, error) {
	var items []roleItem
	for _, v := range s.roles.List(tx, core.Global) {
		if strings.HasPrefix(v.Path, r.Form.Get("PathPrefix")) {
			items = append(items, v.item())
		}
	}
	items, rest, err := page(r, items, func(v roleItem) string { return v.Name })
	return struct {
		Roles core.Members[roleItem] `xml:"Roles"`
		listing
	}{items, rest}, err
}

func (s *Service) createRole(tx *core.Tx, r *core.Request) (any, error) {
	name, err := required(r, "RoleName")
	if err != nil {
		return nil, err
	}
	if err := checkName("roleName", name, 64); err != nil {
		return nil, err
	}
	if other, taken := s.nameTaken(tx, name); taken {
		return nil, conflict("EntityAlreadyExists", "Role with name %s already exists.", other)
	}
	v := Role{
		Name: name, ID: core.NewUniqueID("AROA"), Description: r.Form.Get("Description"),
		Trust: r.Form.Get("AssumeRolePolicyDocument"), Tags: r.Form.Tags("Tags"), Created: s.env.Clock.Now(),
	}
	if v.Path, err = readPath(r); err != nil {
		return nil, err
	}
	if v.MaxSession, err = readSession(r, 3600); err != nil {
		return nil, err
	}
	if err := checkDocument(v.Trust); err != nil {
		return nil, err
	}
	if err := checkTags(v.Tags); err != nil {
		return nil, err
	}
	if v.Boundary = r.Form.Get("PermissionsBoundary"); v.Boundary != "" {
		if _, err := s.policy(tx, v.Boundary); err != nil {
			return nil, err
		}
	}
	s.put(tx, v)
	return roleResult{v.item()}, nil
}

// nameTaken compares names as IAM does, without regard to case.
func (s *Service) nameTaken(tx *core.Tx, name string) (string, bool) {
	v, ok := s.roles.Find(tx, core.Global, func(v Role) bool { return strings.EqualFold(v.Name, name) })
	return v.Name, ok
}

func readSession(r *core.Request, fallback int) (int, error) {
	n, err := r.Form.Int("MaxSessionDuration", fallback)
	if err == nil && (n < 3600 || n > 43200) {
		return 0, core.Errorf("ValidationError", "1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy constraint: Member must be between 3600 and 43200", n)
	}
	return n, err
}

func (s *Service) deleteRole(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	if len(v.Attached) > 0 {
		return nil, conflict("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	}
	if len(v.Inline) > 0 {
		return nil, conflict("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	s.roles.Delete(tx, core.Global, v.Name)
	return nil, nil
}

func (s *Service) updateRole(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	if r.Form.Has("Description") {
		v.Description = r.Form.Get("Description")
	}
	if v.MaxSession, err = readSession(r, v.MaxSession); err != nil {
		return nil, err
	}
	s.put(tx, v)
	return nil, nil
}

func (s *Service) updateRoleDescription(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.roleOf(tx, r)
	if err != nil {
		return nil, err
	}
	v.Description = r.Form.Get("Description")
	s.put(tx, v)
	return roleResult{v.item()}, nil
}

func (s *Service) updateAssumeRolePolicy(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	v.Trust = r.Form.Get("PolicyDocument")
	if err := checkDocument(v.Trust); err != nil {
		return nil, err
	}
	s.put(tx, v)
	return nil, nil
}

func (s *Service) putRolePermissionsBoundary(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	v.Boundary = r.Form.Get("PermissionsBoundary")
	if _, err := s.policy(tx, v.Boundary); err != nil {
		return nil, err
	}
	s.put(tx, v)
	return nil, nil
}

func (s *Service) deleteRolePermissionsBoundary(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	v.Boundary = ""
	s.put(tx, v)
	return nil, nil
}

func (s *Service) listRoleTags(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.roleOf(tx, r)
	return struct {
		Tags core.Members[tagItem] `xml:"Tags"`
		listing
	}{Tags: tagItems(v.Tags)}, err
}

func (s *Service) tagRole(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.roleOf(tx, r)
	if err != nil {
		return nil, err
	}
	v.Tags = v.Tags.With(r.Form.Tags("Tags"), nil)
	if err := checkTags(v.Tags); err != nil {
		return nil, err
	}
	s.put(tx, v)
	return nil, nil
}

func (s *Service) untagRole(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.roleOf(tx, r)
	if err != nil {
		return nil, err
	}
	v.Tags = v.Tags.With(nil, r.Form.List("TagKeys"))
	s.put(tx, v)
	return nil, nil
}

// listInstanceProfilesForRole is always empty: the sandbox has no instances.
func (s *Service) listInstanceProfilesForRole(tx *core.Tx, r *core.Request) (any, error) {
	_, err := s.roleOf(tx, r)
	return struct {
		Profiles core.Members[struct{}] `xml:"InstanceProfiles"`
		listing
	}{}, err
}

// serviceRoleName is the name of a service's own role: AWS's where it follows no
// rule, else the service's name after a common start.
func serviceRoleName(service string) string {
	known := map[string]string{
		"ecs.amazonaws.com":                         "AWSServiceRoleForECS",
		"elasticloadbalancing.amazonaws.com":        "AWSServiceRoleForElasticLoadBalancing",
		"ecs.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_ECSService",
	}
	if name, ok := known[service]; ok {
		return name
	}
	short, _, _ := strings.Cut(service, ".")
	return "AWSServiceRoleFor" + strings.ToUpper(short[:1]) + short[1:]
}

func (s *Service) createServiceLinkedRole(tx *core.Tx, r *core.Request) (any, error) {
	service, err := required(r, "AWSServiceName")
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(service, ".amazonaws.com") {
		return nil, core.Errorf("InvalidInput", "Service name %s is not valid: it must end with .amazonaws.com", service)
	}
	name := serviceRoleName(service)
	if suffix := r.Form.Get("CustomSuffix"); suffix != "" {
		name += "_" + suffix
	}
	if _, taken := s.nameTaken(tx, name); taken {
		return nil, core.Errorf("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	v := Role{
		Name: name, ID: core.NewUniqueID("AROA"), Path: "/aws-service-role/" + service + "/", Description: r.Form.Get("Description"),
		Trust:      `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["` + service + `"]},"Action":["sts:AssumeRole"]}]}`,
		MaxSession: 3600, Created: s.env.Clock.Now(), Service: service,
	}
	s.put(tx, v)
	return roleResult{v.item()}, nil
}

func (s *Service) deleteServiceLinkedRole(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.roleOf(tx, r)
	if err != nil {
		return nil, err
	}
	if v.Service == "" {
		return nil, core.Errorf("InvalidInput", "The role %s is not a service-linked role.", v.Name)
	}
	s.roles.Delete(tx, core.Global, v.Name)
	return struct {
		Task string `xml:"DeletionTaskId"`
	}{"task" + v.Path + v.Name + "/" + core.NewUUID()}, nil
}

func deletionStatus(*core.Tx, *core.Request) (any, error) {
	return struct {
		Status string `xml:"Status"`
	}{"SUCCEEDED"}, nil
}

func (s *Service) putRolePolicy(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	name, err := required(r, "PolicyName")
	if err != nil {
		return nil, err
	}
	if err := checkName("policyName", name, 128); err != nil {
		return nil, err
	}
	doc := r.Form.Get("PolicyDocument")
	if err := checkDocument(doc); err != nil {
		return nil, err
	}
	if v.Inline == nil {
		v.Inline = map[string]string{}
	}
	v.Inline[name] = doc
	s.put(tx, v)
	return nil, nil
}

// inlineOf finds the inline policy that a call names.
func (s *Service) inlineOf(tx *core.Tx, r *core.Request) (v Role, name string, err error) {
	if v, err = s.roleOf(tx, r); err != nil {
		return v, "", err
	}
	name = r.Form.Get("PolicyName")
	if _, ok := v.Inline[name]; !ok {
		return v, name, noSuchEntity("The role policy with name %s cannot be found.", name)
	}
	return v, name, nil
}

func (s *Service) getRolePolicy(tx *core.Tx, r *core.Request) (any, error) {
	v, name, err := s.inlineOf(tx, r)
	return struct {
		Role     string `xml:"RoleName"`
		Policy   string `xml:"PolicyName"`
		Document string `xml:"PolicyDocument"`
	}{v.Name, name, encodeDocument(v.Inline[name])}, err
}

func (s *Service) deleteRolePolicy(tx *core.Tx, r *core.Request) (any, error) {
	v, name, err := s.inlineOf(tx, r)
	if err != nil {
		return nil, err
	}
	delete(v.Inline, name)
	s.put(tx, v)
	return nil, nil
}

func (s *Service) listRolePolicies(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.roleOf(tx, r)
	if err != nil {
		return nil, err
	}
	names := core.Tags(v.Inline).Keys()
	names, rest, err := page(r, names, self)
	return struct {
		Names core.Members[string] `xml:"PolicyNames"`
		listing
	}{names, rest}, err
}

func (s *Service) attachRolePolicy(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	p, err := s.policy(tx, r.Form.Get("PolicyArn"))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(v.Attached, p.ARN) {
		v.Attached = append(v.Attached, p.ARN)
		s.put(tx, v)
	}
	return nil, nil
}

func (s *Service) detachRolePolicy(tx *core.Tx, r *core.Request) (any, error) {
	v, err := s.editable(tx, r)
	if err != nil {
		return nil, err
	}
	i := slices.Index(v.Attached, r.Form.Get("PolicyArn"))
	if i < 0 {
		return nil, noSuchEntity("Policy %s was not found.", r.Form.Get("PolicyArn"))
	}
	v.Attached = slices.Delete(v.Attached, i, i+1)
	s.put(tx, v)
	return nil, nil
}

func (s *Service) listAttachedRolePolicies(tx *core.Tx, r *core.Request) (any, error) {
	type item struct {
		Name string `xml:"PolicyName"`
		ARN  string `xml:"PolicyArn"`
	}
	v, err := s.roleOf(tx, r)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, arn := range v.Attached {
		p, err := s.policy(tx, arn)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(p.Path, r.Form.Get("PathPrefix")) {
			items = append(items, item{p.Name, p.ARN})
		}
	}
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.ARN, b.ARN) })
	items, rest, err := page(r, items, func(x item) string { return x.ARN })
	return struct {
		Policies core.Members[item] `xml:"AttachedPolicies"`
		listing
	}{items, rest}, err
}
