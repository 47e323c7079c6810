package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/templates"
)

// What berth dev makes; others script against these names.
const (
	devProject   = "demo"
	devGroup     = "developers"
	devAdmin     = "admin@example.com"
	devDeveloper = "developer@example.com"
	devContext   = "aws"
	devRegion    = "us-east-1"
)

// seed makes the project, users, context and templates of berth dev, those that are missing. It uses the services as an
// administrator would.
func (a *App) seed(ctx context.Context) error {
	ctx = authz.WithSubject(ctx, authz.System("berth dev"))
	p, err := a.projects.Create(ctx, project.CreateInput{Name: devProject, Description: "A place to try things, in the sandbox on this machine."})
	if errors.Is(err, project.ErrNameTaken) {
		p, err = a.projects.Get(ctx, devProject)
	}
	if err != nil {
		return fmt.Errorf("making the project %s: %w", devProject, err)
	}
	if err := a.seedUsers(ctx, string(p.ID)); err != nil {
		return err
	}
	if a.cfg.Dev.SandboxAddr != "" {
		if err := a.seedSandbox(ctx); err != nil {
			return err
		}
	}
	var files fs.FS = templates.Files
	if a.cfg.Dev.Templates != nil {
		files = a.cfg.Dev.Templates
	}
	if err := a.load(ctx, files); err != nil {
		return fmt.Errorf("publishing the templates that ship: %w", err)
	}
	a.ready.data.reach()
	return nil
}

func (a *App) seedSandbox(ctx context.Context) error {
	_, _, err := a.contexts.Set(ctx, "", devContext, configcontext.Input{
		Description: "Points the AWS provider at the sandbox on this machine.",
		Sandbox: &configcontext.Sandbox{
			Endpoint: "http://" + a.cfg.Dev.SandboxAddr, Region: devRegion, AccessKey: "sandbox", SecretKey: "sandbox-secret-key",
		},
	})
	if err == nil {
		err = a.contexts.Share(ctx, "", devContext, []string{"*"})
	}
	if err != nil {
		return fmt.Errorf("making the config context %s: %w", devContext, err)
	}
	return nil
}

func (a *App) seedUsers(ctx context.Context, projectID string) error {
	password := a.cfg.Dev.Password
	generated := password == ""
	if generated {
		password = rand.Text()
	}
	made := false
	for _, email := range []string{devAdmin, devDeveloper} {
		_, err := a.identity.CreateUser(ctx, identity.CreateUserInput{Email: email, Password: password, AnyPassword: true})
		if err != nil && !errors.Is(err, identity.ErrEmailTaken) {
			return fmt.Errorf("making the user %s: %w", email, err)
		}
		made = made || err == nil
	}
	if !made {
		return nil
	}
	_, err := a.identity.Grant(ctx, identity.GrantInput{UserEmail: devAdmin, Role: authz.OrganisationAdmin})
	if err != nil && !errors.Is(err, identity.ErrRoleHeld) {
		return fmt.Errorf("making %s an administrator: %w", devAdmin, err)
	}
	if _, err := a.identity.CreateGroup(ctx, identity.CreateGroupInput{Name: devGroup}); err != nil && !errors.Is(err, identity.ErrGroupNameTaken) {
		return fmt.Errorf("making the group %s: %w", devGroup, err)
	}
	if err := a.identity.AddGroupMember(ctx, devGroup, devDeveloper); err != nil {
		return fmt.Errorf("adding %s to the group %s: %w", devDeveloper, devGroup, err)
	}
	_, err = a.identity.Grant(ctx, identity.GrantInput{ProjectID: projectID, GroupName: devGroup, Role: authz.EnvironmentTemplateUser})
	if err != nil && !errors.Is(err, identity.ErrRoleHeld) {
		return fmt.Errorf("giving the group %s its role: %w", devGroup, err)
	}
	a.cfg.Dev.Say("Users:     %s (administrator) and %s", devAdmin, devDeveloper)
	if generated {
		a.cfg.Dev.Say("Password:  %s   (shown this once; of both)", password)
	} else {
		a.cfg.Dev.Say("Password:  the one in BERTH_DEV_PASSWORD")
	}
	return nil
}
