package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/berthdev/berth/api"
)

func newLoginCommand() *cobra.Command {
	var url, email string
	var fromStdin bool
	cmd := &cobra.Command{
		Use:     "login",
		Short:   "Sign in to a server",
		Example: "  berth login --url http://127.0.0.1:8080 --email developer@example.com",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url = strings.TrimSuffix(cmp.Or(url, environ(cmd, "BERTH_URL")), "/")
			if url == "" || email == "" {
				return usagef("Give both --url and --email.")
			}
			if err := checkURL(url); err != nil {
				return err
			}
			password, err := readPassword(cmd, fromStdin, "Password: ")
			if err != nil {
				return err
			}
			client := &api.Client{URL: url, Agent: "berth-cli/" + version()}
			session, err := client.SignIn(cmd.Context(), api.SignIn{Email: email, Password: password})
			if err != nil {
				return err
			}
			c, err := readCredentials(cmd)
			if err != nil {
				return err
			}
			c.Current, c.Servers[url] = url, login{Email: session.User.Email, Token: session.Token}
			if err := c.write(cmd); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Signed in to %s as %s.\n", url, session.User.Email)
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "address of the server (or BERTH_URL)")
	cmd.Flags().StringVar(&email, "email", "", "your e-mail address")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func newLogoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "End the session and forget it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := newClient(cmd)
			if err != nil {
				return err
			}
			var refused *api.Error
			if err := client.SignOut(cmd.Context()); err != nil && (!errors.As(err, &refused) || refused.Status != 401) {
				return err
			}
			c, err := readCredentials(cmd)
			if err != nil {
				return err
			}
			delete(c.Servers, client.URL)
			if c.Current == client.URL {
				c.Current = ""
			}
			return c.write(cmd)
		},
	}
}

// readPassword reads a line from standard input, or asks for it without showing it.
func readPassword(cmd *cobra.Command, fromStdin bool, prompt string) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	fd := int(os.Stdin.Fd()) //nolint:gosec // a file descriptor fits
	if !term.IsTerminal(fd) {
		return "", usagef("There is no terminal to ask for the password on; use --password-stdin.")
	}
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	text, err := term.ReadPassword(fd)
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return string(text), nil
}
