package vendor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReasons(t *testing.T) {
	t.Parallel()
	git := func(text string) string {
		return "Could not download module \"g\" (main.tf:1) source code from \"git::https://h:33403/x\": error downloading 'https://h:33403/x': /usr/bin/git exited with 128: Cloning into '.terraform/modules/g'...\n" + text + "\n"
	}
	for detail, want := range map[string]string{
		git("fatal: unable to access 'https://h:33403/x/': The requested URL returned error: 403"):                            "it needs a credential",
		git("fatal: could not read Username for 'https://h': terminal prompts disabled"):                                      "it needs a credential",
		git("git@h: Permission denied (publickey).\r\nfatal: Could not read from remote repository.\n\nPlease make sure you"): "it needs a credential",
		git("Host key verification failed.\nfatal: Could not read from remote repository."):                                   "the server's host key is not known",
		git("fatal: unable to access 'https://h:33403/x/': Could not resolve host: h"):                                        "this server cannot find that host",
		git("fatal: unable to access 'https://h/x/': server certificate verification failed. CAfile: none"):                   "its certificate is not trusted",
		git("remote: Repository not found.\nfatal: repository 'https://h/x/' not found"):                                      "there is no such repository",
		"error downloading 'https://h/x?ref=v9': invalid ref: \"v9\"":                                                         "there is no such branch, tag or commit",
		"There is no available version of module \"h:33403/a/b/c\" (main.tf:1) which matches the given version constraint.":   "no version of it meets the constraint",
		"Get \"https://h/x.zip\": bad response code: 404":                                                                     "there is no such repository or module",
		"something that nobody has seen before":                                                                               "something that nobody has seen before",
	} {
		require.Contains(t, reason(detail), want, detail)
		require.NotContains(t, reason(detail), "Cloning into")
	}
}
