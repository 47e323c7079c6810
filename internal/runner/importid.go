package runner

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The tool reports an object's id attribute, and `import` mostly wants the same. These types want something else.
// docs/design/runner.md lists them.

// importIDFrom returns the import id of an object. values are its planned arguments; with nil values only what follows
// from the id is answered. ok is false when more has to be known.
func importIDFrom(typ, id string, values map[string]any) (importID string, ok bool) {
	get := func(name string) string { return textOf(values[name]) }
	join := func(sep string, parts ...string) (string, bool) {
		for _, p := range parts {
			if p == "" {
				return "", false
			}
		}
		return strings.Join(parts, sep), true
	}
	switch typ {
	case "aws_ecs_cluster":
		return lastPart(id, "/"), true
	case "aws_ecs_service":
		if parts := strings.Split(id, "/"); len(parts) == 3 { // arn:...:service/CLUSTER/NAME
			return parts[1] + "/" + parts[2], true
		}
		return join("/", lastPart(get("cluster"), "/"), firstOf(get("name"), lastPart(id, "/")))
	case "aws_ecs_task_definition":
		if strings.HasPrefix(id, "arn:") {
			return id, true
		}
		return "", false // the revision is nowhere but in AWS
	case "aws_route":
		return join("_", get("route_table_id"), firstOf(get("destination_cidr_block"), get("destination_ipv6_cidr_block"), get("destination_prefix_list_id")))
	case "aws_route_table_association":
		return join("/", firstOf(get("subnet_id"), get("gateway_id")), get("route_table_id"))
	case "aws_iam_role_policy_attachment":
		return join("/", get("role"), get("policy_arn"))
	case "aws_iam_user_policy_attachment":
		return join("/", get("user"), get("policy_arn"))
	case "aws_iam_group_policy_attachment":
		return join("/", get("group"), get("policy_arn"))
	case "aws_security_group_rule":
		return securityGroupRuleID(values)
	case "aws_vpc_dhcp_options_association":
		return join("", get("vpc_id"))
	case "aws_network_acl_rule":
		if values == nil {
			return "", false
		}
		return join(":", get("network_acl_id"), get("rule_number"), get("protocol"), firstOf(get("egress"), "false"))
	case "aws_appautoscaling_target":
		return join("/", get("service_namespace"), get("resource_id"), get("scalable_dimension"))
	case "aws_appautoscaling_policy":
		return join("/", get("service_namespace"), get("resource_id"), get("scalable_dimension"), get("name"))
	}
	return id, id != ""
}

// partOf names the argument that holds the id of what an object of this type is part of. It goes when that goes.
func partOf(typ string) (argument string, ok bool) {
	switch typ {
	case "aws_route", "aws_route_table_association":
		return "route_table_id", true
	case "aws_security_group_rule":
		return "security_group_id", true
	case "aws_network_acl_rule":
		return "network_acl_id", true
	case "aws_iam_role_policy_attachment":
		return "role", true
	}
	return "", false
}

// securityGroupRuleID follows the provider's form: group_type_protocol_from_to_source[_source...].
func securityGroupRuleID(v map[string]any) (string, bool) {
	parts := []string{textOf(v["security_group_id"]), textOf(v["type"]), textOf(v["protocol"]), textOf(v["from_port"]), textOf(v["to_port"])}
	for _, p := range parts {
		if p == "" {
			return "", false
		}
	}
	n := len(parts)
	for _, list := range []string{"cidr_blocks", "ipv6_cidr_blocks", "prefix_list_ids"} {
		items, _ := v[list].([]any)
		for _, x := range items {
			parts = append(parts, textOf(x))
		}
	}
	if textOf(v["self"]) == "true" {
		parts = append(parts, "self")
	}
	if src := textOf(v["source_security_group_id"]); src != "" {
		parts = append(parts, src)
	}
	if len(parts) == n {
		return "", false
	}
	return strings.Join(parts, "_"), true
}

// managedDefault types take over an object that AWS made itself. To take it over once more is harmless, so nothing is
// lost when the state does not know them.
func managedDefault(typ string) bool {
	return strings.HasPrefix(typ, "aws_default_") || typ == "aws_main_route_table_association"
}

func textOf(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case bool:
		return fmt.Sprint(x)
	case json.Number:
		return x.String()
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%.0f", x), ".0")
	default:
		return ""
	}
}

func lastPart(s, sep string) string { return s[strings.LastIndex(s, sep)+1:] }

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
