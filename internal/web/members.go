package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/web/views"
)

// members says who holds which role in a project.
func (s *server) members(w http.ResponseWriter, r *http.Request) error {
	v, err := s.memberList(w, r)
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, MembersPage(v))
}

func (s *server) memberList(w http.ResponseWriter, r *http.Request) (views.MemberList, error) {
	sc, err := s.inProject(w, r, views.SectionMembers, "Members")
	if err != nil {
		return views.MemberList{}, err
	}
	bindings, err := s.Projects.Members(r.Context(), sc.Project.Slug)
	if err != nil {
		return views.MemberList{}, err
	}
	base := views.ProjectPath(sc.Project.Slug, "settings", "members")
	v := views.MemberList{Page: sc.Page, Text: r.URL.Query().Get("q")}
	if sc.can(authz.MemberWrite) {
		v.Add = addForm(base, url.Values{})
	}
	at := map[string]int{}
	for _, b := range bindings {
		if !containsFold(v.Text, b.Holder()) {
			continue
		}
		i, known := at[b.Holder()]
		if !known {
			i = len(v.Rows)
			at[b.Holder()] = i
			v.Rows = append(v.Rows, views.MemberRow{Name: b.Holder(), Email: b.UserEmail, Group: b.GroupName != ""})
		}
		role := views.MemberRole{Role: b.Role.Name()}
		if v.Add != nil {
			role.RemoveURL = base + "/" + url.PathEscape(string(b.ID)) + "/remove"
		}
		v.Rows[i].Roles = append(v.Rows[i].Roles, role)
	}
	return v, nil
}

func addForm(base string, form url.Values) *views.AddMember {
	v := &views.AddMember{
		URL: base, Open: len(form) > 0,
		Holder: views.Field{
			Label: "User or group", Name: "holder", Kind: views.FieldText, Value: strings.TrimSpace(form.Get("holder")), Required: true,
			Help: "The e-mail of a user, or the name of a group.", Placeholder: "dana@example.com",
		},
		Role: views.Field{Label: "Role", Name: "role", Kind: views.FieldSelect, Value: form.Get("role")},
	}
	roles := authz.ProjectRoles()
	slices.Reverse(roles) // what gives least comes first
	for _, role := range roles {
		v.Role.Options = append(v.Role.Options, views.Option{Value: string(role), Label: role.Name()})
	}
	return v
}

// addMember gives a user, or a group, a role in the project.
func (s *server) addMember(w http.ResponseWriter, r *http.Request) error {
	v, err := s.memberList(w, r)
	if err != nil {
		return err
	}
	holder := strings.TrimSpace(r.PostFormValue("holder"))
	in := project.MemberInput{Role: authz.Role(r.PostFormValue("role"))}
	if strings.Contains(holder, "@") {
		in.UserEmail = holder
	} else {
		in.GroupName = holder
	}
	_, err = s.Projects.AddMember(r.Context(), v.Project.Slug, in)
	if err == nil {
		s.setFlash(w, views.FlashOK, holder+" now has the role "+in.Role.Name()+".")
		return redirect(w, r, v.Add.URL)
	}
	f, ok := fault.As(err)
	if !ok || v.Add == nil || f.Kind == fault.Internal || f.Kind == fault.Forbidden || f.Kind == fault.Unauthenticated {
		return err
	}
	v.Add = addForm(v.Add.URL, r.PostForm)
	switch {
	case holder == "":
		v.Add.Holder.Error = "Enter the e-mail of a user, or the name of a group."
	case len(f.Fields) > 0:
		v.Add.Error = spread(f, map[string]*views.Field{"group": &v.Add.Holder, "user": &v.Add.Holder, "role": &v.Add.Role})
	default:
		v.Add.Holder.Error = f.Message
	}
	return render(w, r, http.StatusUnprocessableEntity, MembersPage(v))
}

// removeMember takes a role away.
func (s *server) removeMember(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("project")
	if err := s.Projects.RemoveMember(r.Context(), name, identity.BindingID(r.PathValue("binding"))); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, "The role is taken away.")
	return redirect(w, r, views.ProjectPath(name, "settings", "members"))
}
