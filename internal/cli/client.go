package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
)

// credentials is the file in which sign-ins are kept, readable by their owner only.
type credentials struct {
	// Current is the address of the server that commands talk to.
	Current string           `json:"current"`
	Servers map[string]login `json:"servers"`
}

type login struct {
	Email string `json:"email"`
	Token string `json:"token"`
}

func credentialsPath(cmd *cobra.Command) (string, error) {
	if p := environ(cmd, "BERTH_CREDENTIALS"); p != "" {
		return p, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder for settings: %w", err)
	}
	return filepath.Join(dir, "berth", "credentials.json"), nil
}

func readCredentials(cmd *cobra.Command) (credentials, error) {
	c := credentials{Servers: map[string]login{}}
	p, err := credentialsPath(cmd)
	if err != nil {
		return c, err
	}
	text, err := os.ReadFile(p)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading your sign-ins: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s is damaged; remove it and sign in again: %w", p, err)
	}
	return c, nil
}

func (c credentials) write(cmd *cobra.Command) error {
	p, err := credentialsPath(cmd)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(p), ".credentials-*") // CreateTemp makes it 0600
	if err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(text); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	if err := os.Rename(tmp.Name(), p); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	return nil
}

// errNoServer is for a command that has neither a sign-in nor an address.
var errNoServer = fault.New(fault.Unauthenticated, "unauthenticated", "You are not signed in to a server. Run: berth login --url URL --email EMAIL; scripts set BERTH_URL and BERTH_TOKEN.")

// newClient returns a client of the server that was signed in to last, or that --url or BERTH_URL names. BERTH_TOKEN
// replaces the kept token, for scripts.
func newClient(cmd *cobra.Command) (*api.Client, error) {
	c, err := readCredentials(cmd)
	if err != nil {
		return nil, err
	}
	address := c.Current
	if v := environ(cmd, "BERTH_URL"); v != "" {
		address = v
	}
	if flag := cmd.Flags().Lookup("url"); flag != nil && flag.Value.String() != "" {
		address = flag.Value.String()
	}
	address = strings.TrimSuffix(address, "/")
	if address == "" {
		return nil, errNoServer
	}
	if err := checkURL(address); err != nil {
		return nil, err
	}
	token := environ(cmd, "BERTH_TOKEN")
	if token == "" {
		token = c.Servers[address].Token
	}
	return &api.Client{URL: address, Token: token, Agent: "berth-cli/" + version()}, nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return usagef("The address of a server must look like https://berth.example.com; you gave %q.", text)
	}
	return nil
}

// printJSON writes v indented, without escaping what browsers would trip over: this is for terminals and scripts.
func printJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
