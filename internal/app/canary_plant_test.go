package app_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/berthdev/berth/internal/runner/runnertest"
)

// canaries are secrets, one for each place that takes one.
type canaries struct {
	values map[string]string   // the secret, by the place it is put in
	marks  map[string][]string // what of it is searched for, by the place
}

// secret is the secret of a place. Its two halves are letters and digits, so that no escaping changes them, and between
// them is what every escaping changes, so that something that looks for the whole has to know the escaping.
func (c *canaries) secret(place string) string {
	if v, ok := c.values[place]; ok {
		return v
	}
	sum := sha256.Sum256([]byte("canary " + place))
	text := hex.EncodeToString(sum[:])
	head, tail := text[:20], text[20:40]
	c.values[place], c.marks[place] = head+`"<&'+/%\`+tail, []string{head, tail}
	return c.values[place]
}

// key is a private key of a place, in PEM, with a passphrase where there is one.
func (c *canaries) key(t *testing.T, place, passphrase string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	require.NoError(t, err)
	c.values[place] = string(pem.EncodeToMemory(block))
	for _, line := range strings.Split(c.values[place], "\n")[2:] {
		if len(line) > 40 && !strings.Contains(line, "PRIVATE KEY") {
			c.marks[place] = append(c.marks[place], line[:40])
		}
	}
	require.NotEmpty(t, c.marks[place])
	return c.values[place]
}

var slot = regexp.MustCompile(`(\(\(|\[\[|\{\{)([a-z0-9-]+)(\)\)|\]\]|\}\})`)

// fill puts secrets into a text: ((place)) becomes a text in quotes, [[place]] the first half without any, and
// {{place}} the whole in base64.
func (c *canaries) fill(t *testing.T, text string) string {
	t.Helper()
	return slot.ReplaceAllStringFunc(text, func(s string) string {
		place := s[2 : len(s)-2]
		secret := c.secret(place)
		switch s[0] {
		case '[':
			return c.marks[place][0]
		case '{':
			return base64.StdEncoding.EncodeToString([]byte(secret))
		}
		quoted, err := json.Marshal(secret)
		require.NoError(t, err)
		return string(quoted)
	})
}

// find tells which secrets are in a text: as they are, in base64 at any alignment, or in hexadecimal digits.
func (c *canaries) find(text []byte) []string {
	var found []string
	hay := string(text)
	for place, marks := range c.marks {
		for _, m := range marks {
			if slices.ContainsFunc(spellings(m), func(s string) bool { return strings.Contains(hay, s) }) {
				found = append(found, place)
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

func spellings(mark string) []string {
	out := []string{mark, hex.EncodeToString([]byte(mark)), strings.ToUpper(hex.EncodeToString([]byte(mark)))}
	for shift := range 3 {
		inner := mark[(3-shift)%3:]
		out = append(out, base64.RawStdEncoding.EncodeToString([]byte(inner[:len(inner)/3*3])))
	}
	return out
}

// lockedServer is a git server that lets nobody in, and says what it was given.
func lockedServer(t *testing.T) (url, certificate string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		user, password, _ := r.BasicAuth()
		w.Header().Set("X-Given", strings.Map(func(c rune) rune {
			if c < ' ' || c > '~' {
				return -1
			}
			return c
		}, password))
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte("remote: wrong password " + password + " of " + user + " in " + r.Header.Get("Authorization") + "\n"))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/infra.git", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// leakyModule prints, puts into its plan and gives out whatever it gets.
func leakyModule(t *testing.T, name string, variables ...string) map[string]string {
	t.Helper()
	script := runnertest.Script{Outputs: map[string]json.RawMessage{}}
	object := runnertest.Object{Address: "fake_thing." + name, Type: "fake_thing", ID: name + "-1", Values: map[string]any{}}
	code := ""
	for _, v := range variables {
		script.Print = append(script.Print, v+" is ${var."+v+"}")
		script.Outputs[v] = json.RawMessage(`"${var.` + v + `}"`)
		script.Sensitive = append(script.Sensitive, v)
		object.Values[v] = "${var." + v + "}"
		code += "variable \"" + v + "\" {\n  type      = string\n  default   = \"\"\n  sensitive = true\n}\n" +
			"output \"" + v + "\" {\n  value     = var." + v + "\n  sensitive = true\n}\n"
	}
	script.Outputs["endpoint"] = json.RawMessage(`"http://127.0.0.1:9/` + name + `"`)
	code += "variable \"count_of_it\" {\n  type    = number\n  default = 1\n}\noutput \"endpoint\" {\n  value = \"\"\n}\n"
	script.Objects = []runnertest.Object{object}
	files := map[string]string{}
	for file, content := range script.Files() {
		files[name+"/"+file] = content
	}
	files[name+"/main.tf"] = code
	return files
}

// plantedDocuments have a secret in every place that takes one.
const plantedDocuments = `apiVersion: berth.dev/v1
kind: Repository
metadata: {name: code}
spec: {endpoint: "CODE"}
---
apiVersion: berth.dev/v1
kind: Repository
metadata: {name: locked}
spec: {endpoint: "LOCKED", credentials: {username: robot, password: ((password))}, options: {caCert: CERTIFICATE}}
---
apiVersion: berth.dev/v1
kind: Repository
metadata: {name: keyed}
spec: {endpoint: "ssh://git@127.0.0.1:1/infra.git", credentials: {privateKey: PRIVATEKEY, passphrase: ((passphrase))}}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: keys}
spec:
  envs: [{key: API_TOKEN, value: ((env)), options: {sensitive: true}}]
  files: [{mountPath: ~/.config/token, data: {{file}}, options: {sensitive: true}}, {mountPath: certs/more, content: ((content)), options: {sensitive: true}}]
  variables: [{name: from_context, value: ((variable)), options: {sensitive: true}}]
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: look-alike}
spec: {sandbox: {endpoint: "http://127.0.0.1:1", region: us-east-1, accessKey: sandbox, secretKey: ((sandbox))}}
---
apiVersion: berth.dev/v1
kind: StaticResource
metadata: {name: known}
spec: {variables: [{name: id, value: known-1}, {name: token, value: ((static)), options: {sensitive: true}}, {name: more, valueType: json, value: "[\"[[static-json]]\"]", options: {sensitive: true}}]}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: app}
spec:
  version: v1
  versionState: active
  source: {repository: code, revision: main, path: app}
  contexts: [{name: keys}]
  variables: [{name: from_resource, value: ((resource-template)), options: {sensitive: true, override: {type: notallowed}}}]
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: app}
spec: {version: v2, source: {repository: code, path: app}, variables: [{name: from_resource, value: ((resource-template-draft)), options: {sensitive: true}}]}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: next}
spec: {version: v1, versionState: active, source: {repository: code, path: next}}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: unreadable}
spec: {version: v1, source: {repository: locked}, variables: [{name: x, value: ((unread)), options: {sensitive: true}}]}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: unreachable}
spec: {version: v1, source: {repository: keyed}}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: app, displayName: App}
spec:
  version: v1
  versionState: active
  allowFreeVariables: true
  resources:
    - {name: known, kind: static, static: known}
    - {name: app, template: app, version: v1}
    - {name: next, template: next, version: v1, dependsOn: [{name: app}]}
  variables:
    - {name: token, options: {sensitive: true}}
    - {name: from_template, value: ((environment-template)), options: {sensitive: true}}
    - {name: from_words, valueType: expression, value: "$('[[template-expression]]' + environment.name)$", options: {sensitive: true, override: {type: notallowed}}}
    - {name: from_static, valueType: expression, value: "$(\"Bearer \" + resource['known'].output.token)$", options: {override: {type: notallowed}}}
    - {name: from_output, valueType: expression, value: "$(resource['app'].output.token)$", options: {override: {type: notallowed}}}
  sharing: {enabled: true, projects: [{name: "*"}]}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: app}
spec:
  version: v2
  resources: [{name: app, template: app, version: v2}]
  variables: [{name: from_template, value: ((environment-template-draft)), options: {sensitive: true}}]
---
apiVersion: berth.dev/v1
kind: Environment
metadata: {name: made}
spec: {template: {name: app, version: v1}, variables: [{name: token, value: ((input))}, {name: from_input, valueType: expression, value: "$('[[input-expression]]' + environment.name)$"}]}
`

// foreignDocuments are of the other format, with secrets marked in its old ways, too.
const foreignDocuments = `apiVersion: integrations.k8smgmt.io/v3
kind: Repository
metadata: {name: foreign, project: demo}
spec: {type: Git, endpoint: "LOCKED", credentials: {username: robot, password: ((foreign-password))}}
---
apiVersion: eaas.envmgmt.io/v1
kind: ConfigContext
metadata: {name: foreign, project: demo}
spec:
  envs:
    - {key: NEW, value: ((foreign-env)), options: {sensitive: true, required: true, override: {type: restricted, restrictedValues: [a]}}}
    - {key: OLD, value: ((foreign-env-old)), sensitive: true}
    - {key: ODD, value: ((foreign-env-odd)), sensitive: true, options: {sensitive: false}}
  files:
    - {name: credentials, data: {{foreign-file}}, mountPath: /root/.aws/credentials, options: {sensitive: true}}
    - {name: odd, data: ((foreign-file-odd)), sensitive: true}
  variables:
    - {name: role, valueType: text, value: ((foreign-variable)), options: {sensitive: true, override: {type: allowed}}}
---
apiVersion: eaas.envmgmt.io/v1
kind: Resource
metadata: {name: foreign, project: demo}
spec: {variables: [{name: new, value: ((foreign-static)), options: {sensitive: true}}, {name: old, valueType: text, value: ((foreign-static-old)), sensitive: true}]}
---
apiVersion: eaas.envmgmt.io/v1
kind: ResourceTemplate
metadata: {name: foreign, project: demo}
spec:
  version: v1
  provider: opentofu
  repositoryOptions: {name: code, branch: main, directoryPath: app}
  contexts: [{name: inline, data: {envs: [{key: A, value: ((foreign-inline)), options: {sensitive: true}}, {key: B, value: ((foreign-inline-old)), sensitive: true}]}}]
  variables: [{name: from_resource, valueType: text, value: ((foreign-resource)), options: {sensitive: true}}, {name: from_context, value: ((foreign-resource-old)), sensitive: true}]
---
apiVersion: eaas.envmgmt.io/v1
kind: EnvironmentTemplate
metadata: {name: foreign, project: demo}
spec:
  version: v1
  resources: [{type: dynamic, kind: resourcetemplate, name: foreign, resourceOptions: {version: v1}}]
  variables: [{name: token, value: ((foreign-environment)), sensitive: true}]
  contexts: [{data: {variables: [{name: x, value: ((foreign-unnamed)), sensitive: true}]}}]
---
apiVersion: eaas.envmgmt.io/v1
kind: Environment
metadata: {name: foreign-1, project: demo}
spec:
  template: {name: app, version: v1}
  variables: [{name: token, valueType: text, value: ((foreign-input)), options: {sensitive: true}}, {name: from_template, value: ((foreign-input-old)), sensitive: true}]
  envVars: [{key: LEVEL, value: ((foreign-env-var)), options: {sensitive: true}}]
  files: [{name: a.txt, data: {{foreign-input-file}}, mountPath: a.txt, options: {sensitive: true}}]
---
apiVersion: eaas.envmgmt.io/v1
kind: SecretSealer
metadata: {name: foreign, project: demo}
spec: {key: ((foreign-sealer))}
`

// refusedDocuments are refused, each with a secret near the place that is wrong.
func refusedDocuments() map[string]string {
	const (
		head        = "apiVersion: berth.dev/v1\nkind: "
		repository  = head + "Repository\nmetadata: {name: bad}\nspec: "
		context     = head + "ConfigContext\nmetadata: {name: bad}\nspec: "
		static      = head + "StaticResource\nmetadata: {name: bad}\nspec: "
		environment = head + "Environment\nmetadata: {name: bad}\nspec: "
	)
	return map[string]string{
		"unknown field":          repository + `{endpoint: "https://git.example.com/x.git", credentials: {username: a, pasword: ((bad-field))}}`,
		"unknown list field":     context + `{envs: [{key: A, valu: ((bad-list-field)), options: {sensitive: true}}]}`,
		"text for a map":         repository + `{endpoint: "https://git.example.com/x.git", credentials: ((bad-map))}`,
		"text for a list":        context + `{envs: ((bad-list))}`,
		"text in a list of maps": context + `{envs: [((bad-entry))]}`,
		"text for a truth":       context + `{envs: [{key: A, value: b, options: {sensitive: ((bad-truth))}}]}`,
		"map for a text":         context + `{envs: [{key: A, value: {a: ((bad-text))}, options: {sensitive: true}}]}`,
		"secret as a key":        context + `{envs: [{key: A, value: {((bad-key)): 1}, options: {sensitive: true}}]}`,
		"twice":                  context + "\n  envs:\n    - key: A\n      value: ((bad-first))\n      value: ((bad-second))\n      options: {sensitive: true}\n",
		"open quote":             context + "\n  envs:\n    - key: A\n      value: \"[[bad-quote]]\n      options: {sensitive: true}\n",
		"colon":                  context + "\n  envs:\n    - key: A\n      value: [[bad-colon]]: and: more\n      options: {sensitive: true}\n",
		"tab":                    context + "\n  envs:\n    - key: A\n\t  value: [[bad-tab]]\n",
		"open brace":             context + "{envs: [{key: A, value: [[bad-brace]], options: {sensitive: true}",
		"at sign":                context + "\n  envs:\n    - key: A\n      value: @[[bad-at]]\n",
		"alias":                  context + "\n  envs:\n    - key: A\n      value: *[[bad-alias]]\n",
		"tag":                    context + "\n  envs:\n    - key: A\n      value: !![[bad-tag]] x\n",
		"secret of many lines":   context + "\n  files:\n    - mountPath: a\n      content: |\n        [[bad-block-one]]\n     [[bad-block-two]]\n",
		"no base64":              context + `{files: [{mountPath: a, data: ((bad-base64)), options: {sensitive: true}}]}`,
		"bad name":               context + `{envs: [{key: "1 x", value: ((bad-name)), options: {sensitive: true}}]}`,
		"no JSON":                static + `{variables: [{name: a, valueType: json, value: "{[[bad-json]]", options: {sensitive: true}}]}`,
		"no HCL":                 static + `{variables: [{name: a, valueType: hcl, value: "{ a = [[bad-hcl]]", options: {sensitive: true}}]}`,
		"HCL with a name":        static + `{variables: [{name: a, valueType: hcl, value: "{ a = x[[bad-hcl-name]] }", options: {sensitive: true}}]}`,
		"no key":                 repository + `{endpoint: "ssh://git@git.example.com/x.git", credentials: {privateKey: ((bad-private-key))}}`,
		"wrong passphrase":       repository + `{endpoint: "ssh://git@git.example.com/x.git", credentials: {privateKey: PRIVATEKEY, passphrase: ((bad-passphrase))}}`,
		"password in address":    repository + `{endpoint: "https://user:[[bad-address]]@git.example.com/x.git"}`,
		"token in address":       repository + `{endpoint: "https://[[bad-address-user]]@git.example.com/x.git"}`,
		"token in query":         repository + `{endpoint: "https://git.example.com/x.git?token=[[bad-query]]"}`,
		"plain way":              repository + `{endpoint: "http://git.example.com/x.git", credentials: {username: a, password: ((bad-plain))}}`,
		"no template":            environment + `{template: {name: nothing}, variables: [{name: token, value: ((bad-no-template))}]}`,
		"no such input type":     environment + `{template: {name: app}, variables: [{name: count_of_it, value: many}, {name: token, value: ((bad-near))}]}`,
		"input that is no HCL":   environment + `{template: {name: app}, variables: [{name: token, valueType: hcl, value: "{ a = [[bad-input-hcl]]"}]}`,
		"input that is no JSON":  environment + `{template: {name: app}, variables: [{name: token, valueType: json, value: "{ [[bad-input-json]]"}]}`,
		"input of another type":  environment + `{template: {name: app}, variables: [{name: token, valueType: json, value: "{\"a\": \"[[bad-input-type]]\"}"}]}`,
		"input is an expression": environment + `{template: {name: app}, variables: [{name: token, valueType: expression, value: "$('[[bad-expression]]' + )$"}]}`,
		"template expression":    head + "EnvironmentTemplate\nmetadata: {name: bad}\nspec: {version: v1, versionState: active, resources: [{name: app, template: app, version: v1}], variables: [{name: token, valueType: expression, value: \"$('[[bad-template-expression]]' + )$\", options: {sensitive: true}}]}",
		"draft expression":       head + "EnvironmentTemplate\nmetadata: {name: bad}\nspec: {version: v1, variables: [{name: token, valueType: expression, value: \"$([[bad-draft-expression]].x)$\", options: {sensitive: true}}, {name: other, valueType: hcl, value: \"{ [[bad-draft-hcl]]\", options: {sensitive: true}}], nothing: 1}",
		"resource expression":    head + "ResourceTemplate\nmetadata: {name: bad}\nspec: {version: v1, versionState: active, source: {repository: code, path: app}, variables: [{name: token, valueType: expression, value: \"$([[bad-resource-expression]].x)$\", options: {sensitive: true}}, {name: from_context, valueType: json, value: \"{[[bad-resource-json]]\", options: {sensitive: true}}]}",
		"foreign text for a map": "apiVersion: eaas.envmgmt.io/v1\nkind: ConfigContext\nmetadata: {name: bad}\nspec: {envs: ((bad-foreign)), variables: [((bad-foreign-entry))]}",
	}
}
