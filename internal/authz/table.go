package authz

import "slices"

// Role is a named set of permissions.
type Role string

// The roles. Organisation roles are held in the whole organisation only; the
// others in a project, or in every project when held in the organisation.
const (
	OrganisationAdmin       Role = "organisation_admin"
	OrganisationReadOnly    Role = "organisation_read_only"
	ProjectAdmin            Role = "project_admin"
	InfrastructureAdmin     Role = "infrastructure_admin"
	EnvironmentTemplateUser Role = "environment_template_user"
	ReadOnly                Role = "read_only"
)

// Roles returns every role, the least powerful last.
func Roles() []Role {
	return []Role{OrganisationAdmin, OrganisationReadOnly, ProjectAdmin, InfrastructureAdmin, EnvironmentTemplateUser, ReadOnly}
}

// ProjectRoles returns the roles that can be held in one project.
func ProjectRoles() []Role {
	return []Role{ProjectAdmin, InfrastructureAdmin, EnvironmentTemplateUser, ReadOnly}
}

// Name is the role's name as people read it.
func (r Role) Name() string {
	switch r {
	case OrganisationAdmin:
		return "Organisation Admin"
	case OrganisationReadOnly:
		return "Organisation Read Only"
	case ProjectAdmin:
		return "Project Admin"
	case InfrastructureAdmin:
		return "Infrastructure Admin"
	case EnvironmentTemplateUser:
		return "Environment Template User"
	case ReadOnly:
		return "Read Only"
	default:
		return string(r)
	}
}

// Valid reports whether there is such a role.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// InProject reports whether the role can be held in one project.
func (r Role) InProject() bool { return slices.Contains(ProjectRoles(), r) }

// Permission is one thing a subject may do.
type Permission string

// The permissions. Organisation-wide ones (users, groups, settings, creating
// projects) are required with an empty project.
const (
	ProjectCreate Permission = "project.create"
	ProjectRead   Permission = "project.read"
	ProjectUpdate Permission = "project.update"
	ProjectDelete Permission = "project.delete"

	MemberRead  Permission = "member.read"
	MemberWrite Permission = "member.write"
	UserRead    Permission = "user.read"
	UserWrite   Permission = "user.write"
	GroupRead   Permission = "group.read"
	GroupWrite  Permission = "group.write"

	EnvironmentRead    Permission = "environment.read"
	EnvironmentCreate  Permission = "environment.create"
	EnvironmentUpdate  Permission = "environment.update"
	EnvironmentDeploy  Permission = "environment.deploy"
	EnvironmentDestroy Permission = "environment.destroy"
	EnvironmentDelete  Permission = "environment.delete"

	RunRead    Permission = "run.read"
	RunCancel  Permission = "run.cancel"
	RunLogRead Permission = "run.log.read"

	OutputRead      Permission = "output.read"
	OutputSensitive Permission = "output.sensitive"

	// TemplateRead is the catalog: names, readme, inputs.
	TemplateRead       Permission = "template.read"
	TemplateSourceRead Permission = "template.source.read"
	TemplateWrite      Permission = "template.write"
	// TemplateShare is sharing templates and config contexts at will. A Project Admin
	// has the delegated permission, which counts only in a project whose
	// administrators were given it (see project.Service.SetSharingDelegated).
	TemplateShare          Permission = "template.share"
	TemplateShareDelegated Permission = "template.share.delegated"

	// ContextRead shows names and plain values; sensitive values are never shown.
	ContextRead  Permission = "context.read"
	ContextWrite Permission = "context.write"

	// RepositoryRead shows repositories and reads the files in them; their secrets are never shown.
	RepositoryRead  Permission = "repository.read"
	RepositoryWrite Permission = "repository.write"

	StateRead Permission = "state.read"

	AuditRead     Permission = "audit.read"
	ToolchainRead Permission = "toolchain.read"
	SettingsRead  Permission = "settings.read"
	SettingsWrite Permission = "settings.write"
)

// grant is one row of the table: who, beside an Organisation Admin, who may do
// everything. action reads well before "needs the role".
type grant struct {
	permission Permission
	action     string
	roles      []Role
}

// table is the whole of who may do what. In a message the first role named is
// the least that suffices, so each row goes from the least to the most powerful.
func table() []grant {
	const (
		orgRO = OrganisationReadOnly
		admin = ProjectAdmin
		infra = InfrastructureAdmin
		user  = EnvironmentTemplateUser
		ro    = ReadOnly
	)
	return []grant{
		{ProjectCreate, "Creating a project", nil},
		{ProjectRead, "Reading project details", []Role{ro, user, infra, admin, orgRO}},
		{ProjectUpdate, "Changing project details", []Role{admin}},
		{ProjectDelete, "Deleting a project", nil},

		{MemberRead, "Reading the members", []Role{infra, admin, orgRO}},
		{MemberWrite, "Changing the members", []Role{admin}},
		{UserRead, "Reading users", []Role{orgRO}},
		{UserWrite, "Changing users", nil},
		{GroupRead, "Reading groups", []Role{orgRO}},
		{GroupWrite, "Changing groups", nil},

		{EnvironmentRead, "Reading environments", []Role{ro, user, infra, admin, orgRO}},
		{EnvironmentCreate, "Creating an environment", []Role{user, infra, admin}},
		{EnvironmentUpdate, "Changing an environment", []Role{user, infra, admin}},
		{EnvironmentDeploy, "Deploying an environment", []Role{user, infra, admin}},
		{EnvironmentDestroy, "Destroying an environment", []Role{user, infra, admin}},
		{EnvironmentDelete, "Deleting an environment", []Role{user, infra, admin}},

		{RunRead, "Reading runs", []Role{ro, user, infra, admin, orgRO}},
		{RunCancel, "Cancelling a run", []Role{user, infra, admin}},
		{RunLogRead, "Reading logs", []Role{ro, user, infra, admin, orgRO}},

		{OutputRead, "Reading outputs", []Role{ro, user, infra, admin, orgRO}},
		{OutputSensitive, "Reading sensitive outputs", []Role{user, infra}},

		{TemplateRead, "Reading the template catalog", []Role{ro, user, infra, admin, orgRO}},
		{TemplateSourceRead, "Reading template source", []Role{infra, admin}},
		{TemplateWrite, "Changing templates", []Role{infra}},
		{TemplateShare, "Sharing templates", nil},
		{TemplateShareDelegated, "Sharing templates of a project whose admins may", []Role{admin}},

		{ContextRead, "Reading config contexts", []Role{infra, admin}},
		{ContextWrite, "Changing config contexts", []Role{infra}},

		{RepositoryRead, "Reading repositories", []Role{infra, admin, orgRO}},
		{RepositoryWrite, "Changing repositories", []Role{infra, admin}},

		{StateRead, "Reading state", []Role{infra}},

		{AuditRead, "Reading the audit log", []Role{admin, orgRO}},
		{ToolchainRead, "Reading the toolchain's state", []Role{infra, admin, orgRO}},
		{SettingsRead, "Reading settings", []Role{orgRO}},
		{SettingsWrite, "Changing settings", nil},
	}
}

// index answers Grants in constant time; it is made from the table once and never
// changes.
var actions, granted = index()

func index() (map[Permission]string, map[Role]map[Permission]bool) {
	names := map[Permission]string{}
	byRole := map[Role]map[Permission]bool{}
	for _, role := range Roles() {
		byRole[role] = map[Permission]bool{}
	}
	for _, g := range table() {
		names[g.permission] = g.action
		byRole[OrganisationAdmin][g.permission] = true
		for _, role := range g.roles {
			byRole[role][g.permission] = true
		}
	}
	return names, byRole
}

// Permissions returns every permission in the order of the table.
func Permissions() []Permission {
	rows := table()
	list := make([]Permission, len(rows))
	for i, g := range rows {
		list[i] = g.permission
	}
	return list
}

// Grants reports whether the role permits p where it is held.
func (r Role) Grants(p Permission) bool { return granted[r][p] }

// Action says what the permission lets one do: "Creating an environment".
func (p Permission) Action() string { return actions[p] }

// rolesFor returns the roles that grant p, the least powerful first: in a project
// those that its Project Admin can give, when there are any.
func rolesFor(p Permission, inProject bool) []Role {
	var roles []Role
	for _, g := range table() {
		if g.permission != p {
			continue
		}
		for _, r := range g.roles {
			if r.InProject() == inProject {
				roles = append(roles, r)
			}
		}
	}
	if len(roles) == 0 || !inProject {
		roles = append(roles, OrganisationAdmin)
	}
	return roles
}
