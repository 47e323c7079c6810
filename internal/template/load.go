package template

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template/expr"
)

// Find returns an active version of an environment template that a project may
// use, ready to check inputs. An empty version means the one activated last.
func (s *Service) Find(ctx context.Context, projectID, name, version string) (*Compiled, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateRead, projectID, environmentKind().object(name)); err != nil {
		return nil, err
	}
	key, err := s.findKey(ctx, projectID, name, version)
	if err != nil {
		return nil, err
	}
	if key.state != Active {
		return nil, withField(ErrNotUsable.With("Version %q of template %q is %s; choose an active version.", key.version, name, key.state), "version")
	}
	return s.load(ctx, projectID, EnvironmentVersionID(key.id))
}

func (s *Service) findKey(ctx context.Context, projectID, name, version string) (versionKey, error) {
	keys, err := listVersionKeys(ctx, s.db, environmentKind(), projectID, []string{name})
	if err != nil {
		return versionKey{}, fmt.Errorf("looking up template: %w", err)
	}
	if len(keys) == 0 {
		return versionKey{}, withField(ErrNotFound.With("There is no environment template %q in this project; choose one from its catalog.", name), "template")
	}
	key, ok := pick(keys, projectID, name, version)
	if ok {
		return key, nil
	}
	var active []string
	for _, k := range keys {
		if k.state == Active {
			active = append(active, k.version)
		}
	}
	if len(active) == 0 {
		return versionKey{}, withField(ErrNoVersion.With("Template %q has no active version yet.", name), "version")
	}
	return versionKey{}, withField(ErrNoVersion.With("Template %q has no version %q; choose one of %s.", name, version, strings.Join(active, ", ")), "version")
}

// Load returns the version that an environment of a project uses, in whatever
// state it is. The id must come from the environment: it is not checked against
// what is shared with the project now.
func (s *Service) Load(ctx context.Context, projectID string, id EnvironmentVersionID) (*Compiled, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateRead, projectID, environmentKind().object(string(id))); err != nil {
		return nil, err
	}
	return s.load(ctx, projectID, id)
}

// Latest returns the version of a template that was activated last, among those that
// a project may use. ErrNoVersion says that there is none.
func (s *Service) Latest(ctx context.Context, projectID string, id EnvironmentTemplateID) (*Compiled, error) {
	k := environmentKind()
	if err := s.audit.Authorize(ctx, authz.TemplateRead, projectID, audit.Object{Kind: k.auditKind(), ID: string(id)}); err != nil {
		return nil, err
	}
	version, err := db.One(ctx, s.db, db.Value[EnvironmentVersionID], `SELECT v.id FROM `+k.versions+` v JOIN `+k.templates+` t ON t.id = v.template_id
		WHERE v.state = 'active' AND t.id = $2 AND `+k.visibleTo()+`
		ORDER BY COALESCE(v.activated_at, 0) DESC, v.created_at DESC, v.id DESC LIMIT 1`, projectID, id)
	if errors.Is(err, db.ErrNoRows) {
		return nil, ErrNoVersion
	}
	if err != nil {
		return nil, fmt.Errorf("looking up the latest version: %w", err)
	}
	return s.load(ctx, projectID, version)
}

func (s *Service) load(ctx context.Context, projectID string, id EnvironmentVersionID) (*Compiled, error) {
	v, err := getEnvironmentVersionByID(ctx, s.db, id)
	if errors.Is(err, db.ErrNoRows) {
		return nil, ErrNoVersion
	}
	if err != nil {
		return nil, fmt.Errorf("reading template version: %w", err)
	}
	if err := s.open(string(v.TemplateID), v.Spec.Variables); err != nil {
		return nil, err
	}
	resources, err := s.resourcesOf(ctx, v)
	if err != nil {
		return nil, err
	}
	contexts, err := s.knownContexts(ctx, projectID, v, resources)
	if err != nil {
		return nil, err
	}
	statics, err := s.staticOutputs(ctx, projectID, v)
	if err != nil {
		return nil, err
	}
	return s.compile(v, Surroundings{Resources: resources, Contexts: contexts, Statics: statics}), nil
}

// staticOutputs tells what the static resources give that a version uses. What is
// visible to the owner of the template counts, wherever an environment of it is.
func (s *Service) staticOutputs(ctx context.Context, projectID string, v *EnvironmentVersion) (map[string][]staticresource.Output, error) {
	names := v.statics()
	if len(names) == 0 {
		return map[string][]staticresource.Output{}, nil
	}
	return s.statics.Outputs(ctx, projectID, v.ProjectID, names)
}

func (s *Service) resourcesOf(ctx context.Context, v *EnvironmentVersion) (map[ResourceVersionID]*ResourceVersion, error) {
	var ids []ResourceVersionID
	for _, r := range v.Spec.Resources {
		if r.VersionID != "" && !slices.Contains(ids, r.VersionID) {
			ids = append(ids, r.VersionID)
		}
	}
	resources, err := listResourceVersionsByID(ctx, s.db, ids)
	if err != nil {
		return nil, fmt.Errorf("reading resource templates: %w", err)
	}
	return resources, s.openResources(resources)
}

// contextGroup is context names that are looked up for the same owner.
type contextGroup struct {
	owner string
	names []string
}

// contextGroups collects the contexts of a version, most often in one group: the
// environment template and its resource templates have the same owner.
func contextGroups(v *EnvironmentVersion, resources map[ResourceVersionID]*ResourceVersion) []contextGroup {
	var out []contextGroup
	add := func(owner string, refs []ContextRef) {
		for _, ref := range refs {
			i := slices.IndexFunc(out, func(g contextGroup) bool { return g.owner == owner })
			if i < 0 {
				out = append(out, contextGroup{owner: owner})
				i = len(out) - 1
			}
			if !slices.Contains(out[i].names, ref.Name) {
				out[i].names = append(out[i].names, ref.Name)
			}
		}
	}
	add(v.ProjectID, v.Spec.Contexts)
	for _, r := range v.Spec.Resources {
		if rv := resources[r.VersionID]; rv != nil {
			add(rv.ProjectID, rv.Spec.Contexts)
		}
	}
	return out
}

const maxCompiled = 256

// compile compiles a version, or takes the result of an earlier time. A stored
// version is the same as long as its time of change and its resources' are.
func (s *Service) compile(v *EnvironmentVersion, in Surroundings) *Compiled {
	var key strings.Builder
	fmt.Fprintf(&key, "%s %d", v.ID, v.UpdatedAt.UnixMicro())
	for _, r := range v.Spec.Resources {
		if rv := in.Resources[r.VersionID]; rv != nil {
			fmt.Fprintf(&key, " %s %d", rv.ID, rv.UpdatedAt.UnixMicro())
		}
	}
	fmt.Fprintf(&key, " %q", fmt.Sprint(in.Contexts))
	for _, name := range v.statics() {
		if outputs, ok := in.Statics[name]; ok {
			fmt.Fprintf(&key, " %s %+v", name, outputs)
		}
	}
	s.mu.Lock()
	c := s.compiled[key.String()]
	s.mu.Unlock()
	if c != nil {
		return c
	}
	c = s.compiler.CompileIn(v, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.compiled) >= maxCompiled {
		clear(s.compiled)
	}
	s.compiled[key.String()] = c
	return c
}

// CheckContexts returns an error that names the config contexts which a deploy in
// the project would not find.
func (s *Service) CheckContexts(ctx context.Context, projectID string, c *Compiled) error {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return err
	}
	var missing []string
	for _, group := range contextGroups(c.Version, c.versions()) {
		names, err := s.contexts.Missing(ctx, projectID, group.owner, group.names)
		if err != nil {
			return err
		}
		missing = append(missing, names...)
	}
	return noContext(c.Version.Template, missing)
}

func noContext(template string, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	return ErrNoContext.With("Template %s needs the config context %s, which this project has not; an Infrastructure Admin can create it in the project.",
		template, strings.Join(missing, ", "))
}

// Sandbox returns the sandbox that environments of this version in the project
// talk to, or nil when they talk to the real thing.
func (s *Service) Sandbox(ctx context.Context, projectID string, c *Compiled) (*configcontext.Sandbox, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return nil, err
	}
	var out *configcontext.Sandbox
	for _, group := range contextGroups(c.Version, c.versions()) {
		preview, err := s.contexts.Preview(ctx, projectID, group.owner, group.names)
		if err != nil {
			return nil, err
		}
		if preview.Sandbox != nil {
			out = preview.Sandbox
		}
	}
	return out, nil
}

func (c *Compiled) versions() map[ResourceVersionID]*ResourceVersion {
	out := map[ResourceVersionID]*ResourceVersion{}
	for _, r := range c.Resources {
		out[r.Version.ID] = r.Version
	}
	return out
}

// CheckStatics returns an error that names what is wrong with the static resources
// that a deploy would use: they may have changed since the template was saved.
func (s *Service) CheckStatics(ctx context.Context, projectID string, c *Compiled) error {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return err
	}
	var wrong []string
	for _, u := range c.Upstreams {
		if u.Kind == KindStatic && !u.known {
			wrong = append(wrong, fmt.Sprintf("there is no static resource %q for it", u.Static))
		}
	}
	for _, g := range c.givenExpressions() {
		for _, ref := range g.expr.References() {
			u, ok := c.Upstream(ref.Resource)
			if !ok || !u.known || u.Kind != KindStatic {
				continue
			}
			if err := c.lookUp(ref); err != nil {
				wrong = append(wrong, err.Error())
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return ErrNoStatic.With("Template %s %s cannot be deployed: %s. An Infrastructure Admin of the project that owns the template can put that right.",
		c.Version.Template, c.Version.Version, strings.Join(slices.Compact(wrong), "; "))
}

// Resolve finds what a step of one resource runs with, contexts included. It is
// internal: only Berth itself, preparing a run, may call it (see
// configcontext.Service.Resolve). It fills in the contexts in in, and the outputs of
// static resources among those of its scope.
func (s *Service) Resolve(ctx context.Context, projectID string, c *Compiled, in ResolveInput) (*Resolved, error) {
	r, ok := c.Resource(in.Resource)
	if !ok {
		return nil, ErrUnknownResource.With("Template %s %s has no resource %q.", c.Version.Template, c.Version.Version, in.Resource)
	}
	var err error
	if in.EnvironmentContexts, err = s.contexts.Resolve(ctx, projectID, c.Version.ProjectID, contextNames(c.Version.Spec.Contexts)); err != nil {
		return nil, err
	}
	if in.ResourceContexts, err = s.contexts.Resolve(ctx, projectID, r.Version.ProjectID, contextNames(r.Version.Spec.Contexts)); err != nil {
		return nil, err
	}
	if in.Scope, err = s.withStatics(ctx, c, in); err != nil {
		return nil, err
	}
	return c.Resolve(in)
}

// withStatics adds the outputs of the static resources that the resource depends on.
func (s *Service) withStatics(ctx context.Context, c *Compiled, in ResolveInput) (expr.Scope, error) {
	nodes := map[string]string{}
	var names []string
	for _, d := range c.Dependencies(in.Values)[in.Resource] {
		if u, ok := c.Upstream(d); ok && u.Kind == KindStatic {
			nodes[u.Name] = u.Static
			names = append(names, u.Static)
		}
	}
	if len(names) == 0 {
		return in.Scope, nil
	}
	values, err := s.statics.Resolve(ctx, c.Version.ProjectID, names)
	if err != nil {
		return in.Scope, err
	}
	scope := in.Scope
	if scope.Outputs = maps.Clone(scope.Outputs); scope.Outputs == nil {
		scope.Outputs = map[string]map[string]expr.Output{}
	}
	for node, name := range nodes {
		scope.Outputs[node] = map[string]expr.Output{}
		for output, v := range values[name] {
			scope.Outputs[node][output] = expr.Output{Value: v.JSON, Sensitive: v.Sensitive}
		}
	}
	return scope, nil
}

func contextNames(refs []ContextRef) []string {
	out := make([]string, len(refs))
	for i, r := range refs {
		out[i] = r.Name
	}
	return out
}
