package cli

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
)

func newProjectCommand() *cobra.Command {
	t := &target{project: "-"}
	cmd := &cobra.Command{Use: "project", Aliases: []string{"projects"}, Short: "List and create projects, give roles in them, and delegate sharing"}
	cmd.PersistentFlags().StringVar(&t.url, "url", "", "address of the server (or BERTH_URL)")
	cmd.PersistentFlags().StringVarP(&t.output, "output", "o", "table", "table, json or yaml")
	var description string
	create := &cobra.Command{
		Use: "create NAME", Short: "Create a project", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			p, err := client.CreateProject(cmd.Context(), api.CreateProject{Name: args[0], Description: description})
			if err != nil {
				return err
			}
			return t.print(cmd, p, func(w io.Writer) { line(w, "Project "+p.Name+" was created.") })
		},
	}
	create.Flags().StringVar(&description, "description", "", "what it is for")
	var grant api.Grant
	grantCmd := &cobra.Command{
		Use: "grant PROJECT", Short: "Give a role in a project to a user or a group", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			return client.Grant(cmd.Context(), args[0], grant)
		},
	}
	grantCmd.Flags().StringVar(&grant.Role, "role", "", "for example environment_template_user")
	grantCmd.Flags().StringVar(&grant.User, "user", "", "e-mail address")
	grantCmd.Flags().StringVar(&grant.Group, "group", "", "name of a group")
	cmd.AddCommand(create, grantCmd, newProjectSharing(t), &cobra.Command{
		Use: "list", Short: "List your projects", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			items, err := client.Projects(cmd.Context())
			if err != nil {
				return err
			}
			return t.print(cmd, items, func(w io.Writer) {
				line(w, "NAME", "DESCRIPTION")
				for _, p := range items {
					line(w, p.Name, p.Description)
				}
			})
		},
	})
	return cmd
}

func newTemplateCommand() *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{Use: "template", Aliases: []string{"templates"}, Short: "List, compare, activate and share templates; check and test those of your own"}
	t.bind(cmd)
	cmd.AddCommand(newTemplateVerbs(t)...)
	cmd.AddCommand(newTemplateLint(t), newTemplateTest(t), &cobra.Command{
		Use: "list", Short: "List environment templates", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			items, err := client.Templates(cmd.Context(), t.project)
			if err != nil {
				return err
			}
			return t.print(cmd, items, func(w io.Writer) {
				line(w, "NAME", "VERSIONS", "SUMMARY")
				for _, x := range items {
					line(w, x.Name, strings.Join(x.Versions, ", "), x.Summary)
				}
			})
		},
	})
	return cmd
}

func newContextCommand() *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{Use: "context", Aliases: []string{"contexts"}, Short: "Keep credentials and settings that templates use"}
	t.bind(cmd)
	var env, secretEnv, vars, secretVars []string
	set := &cobra.Command{
		Use:   "set NAME",
		Short: "Create or change a config context",
		Long: "Create or change a config context. What is not named stays as it is. A name without = takes its value from the\n" +
			"environment of this command, so that a secret need not be on a command line.",
		Example: "  berth context set aws -p demo --secret-env AWS_ACCESS_KEY_ID --secret-env AWS_SECRET_ACCESS_KEY",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			in, err := existingContext(cmd, client, t.project, args[0])
			if err != nil {
				return err
			}
			for _, group := range []struct {
				pairs     []string
				sensitive bool
				variable  bool
			}{{env, false, false}, {secretEnv, true, false}, {vars, false, true}, {secretVars, true, true}} {
				for _, p := range group.pairs {
					name, value, err := pairOrEnvironment(cmd, p)
					if err != nil {
						return err
					}
					if group.variable {
						in.Variables = slices.DeleteFunc(in.Variables, func(v api.ContextVariable) bool { return v.Name == name })
						in.Variables = append(in.Variables, api.ContextVariable{Name: name, Value: &value, Sensitive: group.sensitive})
					} else {
						in.Env = slices.DeleteFunc(in.Env, func(v api.ContextItem) bool { return v.Name == name })
						in.Env = append(in.Env, api.ContextItem{Name: name, Value: &value, Sensitive: group.sensitive})
					}
				}
			}
			c, err := client.SetContext(cmd.Context(), t.project, in)
			if err != nil {
				return err
			}
			return t.print(cmd, c, func(w io.Writer) { line(w, "Context "+c.Name+" was saved.") })
		},
	}
	f := set.Flags()
	f.StringArrayVar(&env, "env", nil, "environment variable, NAME=value or NAME")
	f.StringArrayVar(&secretEnv, "secret-env", nil, "the same, encrypted and never shown again")
	f.StringArrayVar(&vars, "var", nil, "input variable, name=value or name")
	f.StringArrayVar(&secretVars, "secret-var", nil, "the same, encrypted and never shown again")
	cmd.AddCommand(set, &cobra.Command{
		Use: "list", Short: "List config contexts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			items, err := client.Contexts(cmd.Context(), t.project)
			if err != nil {
				return err
			}
			return t.print(cmd, items, func(w io.Writer) {
				line(w, "NAME", "ENVIRONMENT", "FILES", "VARIABLES")
				for _, c := range items {
					line(w, c.Name, fmt.Sprint(len(c.Env)), fmt.Sprint(len(c.Files)), fmt.Sprint(len(c.Variables)))
				}
			})
		},
	})
	return cmd
}

// existingContext returns the context to change. Its sensitive entries have no values, and keep those they have.
func existingContext(cmd *cobra.Command, client *api.Client, project, name string) (api.Context, error) {
	items, err := client.Contexts(cmd.Context(), project)
	for _, c := range items {
		if c.Name == name {
			return c, nil
		}
	}
	return api.Context{Name: name}, err
}

func pairOrEnvironment(cmd *cobra.Command, p string) (name, value string, err error) {
	name, value, ok := strings.Cut(p, "=")
	if ok {
		return name, value, nil
	}
	if value, ok = lookupEnviron(cmd, name); !ok {
		return "", "", usagef("%s has no value: write %s=value, or set %s in this command's environment.", name, name, name)
	}
	return name, value, nil
}

func newUserCommand() *cobra.Command {
	t := &target{project: "-"}
	cmd := &cobra.Command{Use: "user", Aliases: []string{"users"}, Short: "Create users, reset passwords and give roles"}
	cmd.PersistentFlags().StringVar(&t.url, "url", "", "address of the server (or BERTH_URL)")
	cmd.PersistentFlags().StringVarP(&t.output, "output", "o", "table", "table, json or yaml")
	var fromStdin bool
	var name string
	cmd.PersistentFlags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	create := &cobra.Command{
		Use: "create EMAIL", Short: "Create a user", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			password, err := readPassword(cmd, fromStdin, "Password of the new user: ")
			if err != nil {
				return err
			}
			u, err := client.CreateUser(cmd.Context(), api.CreateUser{Email: args[0], Name: name, Password: password})
			if err != nil {
				return err
			}
			return t.print(cmd, u, func(w io.Writer) { line(w, "User "+u.Email+" was created.") })
		},
	}
	create.Flags().StringVar(&name, "name", "", "full name")
	var role string
	grant := &cobra.Command{
		Use: "grant EMAIL", Short: "Give a role in the whole organisation", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			return client.Grant(cmd.Context(), "", api.Grant{Role: role, User: args[0]})
		},
	}
	grant.Flags().StringVar(&role, "role", "", "for example organisation_admin")
	cmd.AddCommand(create, grant, &cobra.Command{
		Use: "reset-password EMAIL", Short: "Set a user's password and end their sessions", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			password, err := readPassword(cmd, fromStdin, "New password: ")
			if err != nil {
				return err
			}
			return client.ResetPassword(cmd.Context(), args[0], api.ResetPassword{Password: password})
		},
	})
	return cmd
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}

// version is what the module was built as.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}
