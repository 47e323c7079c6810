package runner

import (
	"archive/tar"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func TestReadModule(t *testing.T) {
	t.Parallel()
	m, err := readModule(writeTree(t, map[string]string{
		"a.tf":      `variable "hidden" {}`,
		"a.tofu":    `variable "shown" {}`,
		"b.tf.json": `{"variable":{"j":{"type":"string"}},"provider":{"cloud":[{"alias":"west","region":"x"}]}}`,
		"c.tf": `terraform {
			required_providers {
				cloud = { source = "hashicorp/aws", configuration_aliases = [cloud.west] }
				other = { source = "hashicorp/random" }
			}
		}
		provider "cloud" { region = var.j }`,
		"broken.tf": `resource "x" {{{`,
	}))
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"shown": true, "j": true}, m.variables)
	require.True(t, m.awsNames["cloud"])
	require.False(t, m.awsNames["other"])
	var got []string
	for _, p := range m.providers {
		got = append(got, p.name+"."+p.alias)
	}
	require.ElementsMatch(t, []string{"cloud.", "cloud.west"}, got)
}

func TestSandboxOverride(t *testing.T) {
	t.Parallel()
	sb := Sandbox{Endpoint: "http://127.0.0.1:4566", Region: "eu-west-1", AccessKey: "k${e}y", SecretKey: "s"}
	root := writeTree(t, map[string]string{
		"main.tf": "provider \"aws\" {}\nprovider \"aws\" {\n  alias = \"west\"\n}\n",
	})
	m, err := readModule(root)
	require.NoError(t, err)
	require.NoError(t, writeSandboxOverride(root, m, sb))
	over, err := os.ReadFile(filepath.Join(root, fileSandboxOverride))
	require.NoError(t, err)
	require.Contains(t, string(over), `alias = "west"`)
	require.Contains(t, string(over), `access_key = "k$${e}y"`)
	require.Contains(t, string(over), `elbv2 = "http://127.0.0.1:4566"`)
	require.NoFileExists(t, filepath.Join(root, fileSandboxProvider))

	// Without a block of its own the module gets one, if it uses the provider at all.
	root = writeTree(t, map[string]string{"main.tf": ``, ".terraform.lock.hcl": `provider "registry.opentofu.org/hashicorp/aws" {}`})
	m, err = readModule(root)
	require.NoError(t, err)
	require.NoError(t, writeSandboxOverride(root, m, sb))
	require.FileExists(t, filepath.Join(root, fileSandboxProvider))
	require.NoFileExists(t, filepath.Join(root, fileSandboxOverride))

	root = writeTree(t, map[string]string{"main.tf": ``, "mod/p.tf": "\nprovider \"aws\" {}",
		".terraform/modules/modules.json": `{"Modules":[{"Key":"","Dir":"."},{"Key":"net","Source":"./mod","Dir":"mod"}]}`})
	m, err = readModule(root)
	require.NoError(t, err)
	err = writeSandboxOverride(root, m, sb)
	require.ErrorContains(t, err, "module.net configures the aws provider itself (p.tf line 2)")
}

func TestUnpackStaysInside(t *testing.T) {
	t.Parallel()
	archive := func(h ...*tar.Header) string {
		path := filepath.Join(t.TempDir(), "b.tar.zst")
		f, err := os.Create(path)
		require.NoError(t, err)
		zw, err := zstd.NewWriter(f)
		require.NoError(t, err)
		tw := tar.NewWriter(zw)
		for _, x := range h {
			x.Size = 0
			if x.Typeflag == tar.TypeReg {
				x.Size = 4
			}
			require.NoError(t, tw.WriteHeader(x))
			if x.Typeflag == tar.TypeReg {
				_, err := tw.Write([]byte("text"))
				require.NoError(t, err)
			}
		}
		require.NoError(t, tw.Close())
		require.NoError(t, zw.Close())
		require.NoError(t, f.Close())
		return path
	}
	reg := func(name string) *tar.Header { return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755} }
	link := func(name, to string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	dst := filepath.Join(t.TempDir(), "ok")
	require.NoError(t, unpackBundle(Bundle{Path: archive(reg("a/main.tf"), link("b", "a"))}, dst))
	data, err := os.ReadFile(filepath.Join(dst, "b", "main.tf"))
	require.NoError(t, err)
	require.Equal(t, "text", string(data))
	for name, path := range map[string]string{
		"dots":     archive(reg("../evil")),
		"link":     archive(link("a", "../.."), reg("a/evil")),
		"absolute": archive(link("a", "/etc"), reg("a/evil")),
	} {
		require.Error(t, unpackBundle(Bundle{Path: path}, filepath.Join(t.TempDir(), "bad")), name)
	}
}

func TestLockHashesAreDropped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	require.NoError(t, os.WriteFile(path, []byte("provider \"x\" {\n  version = \"1\"\n  hashes = [\n    \"h1:a\",\n  ]\n}\n"), 0o600))
	require.NoError(t, dropLockHashes(path))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "provider \"x\" {\n  version = \"1\"\n}\n", string(data))
}

func TestImportIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ, id string
		values  map[string]any
		want    string
	}{
		{"aws_vpc", "vpc-1", nil, "vpc-1"},
		{"aws_lb_listener", "arn:aws:elb:x", nil, "arn:aws:elb:x"},
		{"aws_ecs_cluster", "arn:aws:ecs:r:1:cluster/web", nil, "web"},
		{"aws_ecs_service", "arn:aws:ecs:r:1:service/web/api", nil, "web/api"},
		{"aws_ecs_service", "arn:aws:ecs:r:1:service/api", map[string]any{"cluster": "arn:aws:ecs:r:1:cluster/web", "name": "api"}, "web/api"},
		{"aws_route", "r-1", nil, ""},
		{"aws_route", "r-1", map[string]any{"route_table_id": "rtb-1", "destination_ipv6_cidr_block": "::/0"}, "rtb-1_::/0"},
		{"aws_route_table_association", "rtbassoc-1", map[string]any{"subnet_id": "s-1", "route_table_id": "rtb-1"}, "s-1/rtb-1"},
		{"aws_iam_role_policy_attachment", "x-2021", map[string]any{"role": "r", "policy_arn": "arn:p"}, "r/arn:p"},
		{"aws_security_group_rule", "sgrule-1", map[string]any{"security_group_id": "sg-1", "type": "ingress", "protocol": "tcp",
			"from_port": float64(80), "to_port": float64(80), "cidr_blocks": []any{"0.0.0.0/0"}}, "sg-1_ingress_tcp_80_80_0.0.0.0/0"},
		{"aws_security_group_rule", "sgrule-1", map[string]any{"security_group_id": "sg-1", "type": "ingress", "protocol": "tcp",
			"from_port": float64(0), "to_port": float64(0)}, ""},
		{"aws_ecs_task_definition", "family", map[string]any{"family": "family"}, ""},
	} {
		got, ok := importIDFrom(c.typ, c.id, c.values)
		require.Equal(t, c.want, got, c.typ)
		require.Equal(t, c.want != "", ok, c.typ)
	}
}

func TestLedgerKeepsReplacementsApart(t *testing.T) {
	t.Parallel()
	l := newLedger()
	for _, e := range []JournalEntry{
		{Op: JournalStart, Action: ObjectDelete, Address: "a.x", Type: "a", ID: "old"},
		{Op: JournalFinish, Action: ObjectDelete, Address: "a.x", Type: "a", ID: "old"},
		{Op: JournalStart, Action: ObjectCreate, Address: "a.x", Type: "a", PriorID: "old"},
	} {
		l.add(e)
	}
	// The state still holds the deleted object, so the new one is in doubt all the same.
	_, doubts := l.compare(stateObjects("a.x", "a", "old"))
	require.Len(t, doubts, 1)
	_, doubts = l.compare(stateObjects("a.x", "a", "new"))
	require.Empty(t, doubts)
	l.add(JournalEntry{Op: JournalFinish, Action: ObjectCreate, Address: "a.x", Type: "a", ID: "new"})
	missing, doubts := l.compare(stateObjects("a.x", "a", "old"))
	require.Empty(t, doubts)
	require.Equal(t, "new", missing[0].id)
	missing, _ = l.compare(stateObjects("a.moved", "a", "new"))
	require.Empty(t, missing)
	missing, _ = l.compare(stateObjects("a.x", "b", "new"))
	require.Len(t, missing, 1, "an id counts within its type only")
}
