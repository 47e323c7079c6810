package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

const (
	fileBackendOverride = "zzz_berth_backend_override.tf"
	fileSandboxOverride = "zzz_berth_sandbox_override.tf"
	fileSandboxProvider = "zzz_berth_sandbox.tf"
)

// backendOverride comes after every other override file, so it wins over any backend or cloud block.
const backendOverride = "terraform {\n  backend \"http\" {}\n}\n"

// sandboxServices are the endpoint names that both the 4.9 line and later majors of the provider know. Services the
// sandbox does not have are sent there too: it answers that it does not know them, while AWS itself must not be asked.
var sandboxServices = [...]string{
	"acm", "applicationautoscaling", "autoscaling", "cloudwatch", "cloudwatchlogs", "dynamodb", "ec2", "ecr", "ecs",
	"efs", "eks", "elasticache", "elb", "elbv2", "iam", "kms", "lambda", "rds", "resourcegroupstaggingapi", "route53",
	"s3", "secretsmanager", "sns", "sqs", "ssm", "sts",
}

// writeSandboxOverride points every aws provider of the root module at the sandbox. Blocks inside child modules cannot
// be overridden, so they are refused.
func writeSandboxOverride(root string, m *module, sb Sandbox) error {
	if err := refuseInnerProviders(root); err != nil {
		return err
	}
	var override, fresh strings.Builder
	plain := map[string]bool{}
	for _, p := range m.providers {
		if !m.awsNames[p.name] {
			continue
		}
		plain[p.name] = plain[p.name] || p.alias == ""
		override.WriteString(sandboxProvider(p.name, p.alias, sb))
	}
	// A module that uses aws without a block has a provider all the same, configured from the environment.
	if usesAWS(root) {
		names := make([]string, 0, len(m.awsNames))
		for n := range m.awsNames {
			if !plain[n] {
				names = append(names, n)
			}
		}
		sort.Strings(names)
		for _, n := range names {
			fresh.WriteString(sandboxProvider(n, "", sb))
		}
	}
	for name, text := range map[string]string{fileSandboxOverride: override.String(), fileSandboxProvider: fresh.String()} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func usesAWS(root string) bool {
	b, err := os.ReadFile(filepath.Join(root, ".terraform.lock.hcl"))
	return err == nil && strings.Contains(string(b), `hashicorp/aws"`)
}

func refuseInnerProviders(root string) error {
	mods, err := childModules(root)
	if err != nil {
		return err
	}
	for key, dir := range mods {
		m, err := readModule(dir)
		if err != nil {
			return err
		}
		for _, p := range m.providers {
			if m.awsNames[p.name] {
				return fail("sandbox_provider_in_module", fmt.Sprintf(
					"module.%s configures the %s provider itself (%s line %d), so it cannot be pointed at the sandbox; "+
						"move the provider block to the root module and pass it on with `providers`", key, p.name, p.file, p.line), nil)
			}
		}
	}
	return nil
}

func sandboxProvider(name, alias string, sb Sandbox) string {
	var b strings.Builder
	q := func(s string) string { return hclQuote(s) }
	fmt.Fprintf(&b, "provider %s {\n", q(name))
	if alias != "" {
		fmt.Fprintf(&b, "  alias = %s\n", q(alias))
	}
	if sb.Region != "" {
		fmt.Fprintf(&b, "  region = %s\n", q(sb.Region))
	}
	fmt.Fprintf(&b, "  access_key = %s\n  secret_key = %s\n", q(sb.AccessKey), q(sb.SecretKey))
	b.WriteString("  profile = null\n  skip_credentials_validation = true\n  skip_metadata_api_check = true\n" +
		"  skip_region_validation = true\n  s3_use_path_style = true\n  endpoints {\n")
	for _, s := range sandboxServices {
		fmt.Fprintf(&b, "    %s = %s\n", s, q(sb.Endpoint))
	}
	b.WriteString("  }\n}\n\n")
	return b.String()
}

func hclQuote(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}
