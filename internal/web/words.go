package web

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// typeWords are the plain words for what templates make, without their provider's prefix. What is missing is made from
// the type's own name.
var typeWords = map[string]string{
	"aws_vpc":                             "Network",
	"aws_subnet":                          "Subnet",
	"aws_internet_gateway":                "Internet gateway",
	"aws_nat_gateway":                     "NAT gateway",
	"aws_eip":                             "Public address",
	"aws_route_table":                     "Route table",
	"aws_route":                           "Route",
	"aws_route_table_association":         "Route table of a subnet",
	"aws_default_route_table":             "Main route table",
	"aws_default_network_acl":             "Main network rules",
	"aws_default_security_group":          "Default security group",
	"aws_network_acl":                     "Network rules",
	"aws_network_acl_rule":                "Network rule",
	"aws_network_interface":               "Network interface",
	"aws_security_group":                  "Security group",
	"aws_security_group_rule":             "Security group rule",
	"aws_vpc_security_group_ingress_rule": "Security group rule",
	"aws_vpc_security_group_egress_rule":  "Security group rule",
	"aws_lb":                              "Load balancer",
	"aws_alb":                             "Load balancer",
	"aws_lb_listener":                     "Listener",
	"aws_lb_listener_rule":                "Listener rule",
	"aws_lb_target_group":                 "Target group",
	"aws_lb_target_group_attachment":      "Target",
	"aws_ecs_cluster":                     "Cluster",
	"aws_ecs_cluster_capacity_providers":  "Capacity of the cluster",
	"aws_ecs_service":                     "Service",
	"aws_ecs_task_definition":             "Task definition",
	"aws_ecr_repository":                  "Image repository",
	"aws_iam_role":                        "Role",
	"aws_iam_role_policy":                 "Role policy",
	"aws_iam_policy":                      "Policy",
	"aws_iam_role_policy_attachment":      "Policy of a role",
	"aws_iam_instance_profile":            "Instance profile",
	"aws_cloudwatch_log_group":            "Log group",
	"aws_cloudwatch_metric_alarm":         "Alarm",
	"aws_instance":                        "Virtual machine",
	"aws_launch_template":                 "Launch template",
	"aws_autoscaling_group":               "Auto scaling group",
	"aws_appautoscaling_target":           "Scaling target",
	"aws_appautoscaling_policy":           "Scaling policy",
	"aws_s3_bucket":                       "Bucket",
	"aws_s3_object":                       "Bucket object",
	"aws_db_instance":                     "Database",
	"aws_db_subnet_group":                 "Subnets of the database",
	"aws_rds_cluster":                     "Database cluster",
	"aws_dynamodb_table":                  "Table",
	"aws_elasticache_cluster":             "Cache",
	"aws_sqs_queue":                       "Queue",
	"aws_sns_topic":                       "Topic",
	"aws_lambda_function":                 "Function",
	"aws_kms_key":                         "Encryption key",
	"aws_secretsmanager_secret":           "Secret",
	"aws_ssm_parameter":                   "Parameter",
	"aws_route53_record":                  "DNS record",
	"aws_route53_zone":                    "DNS zone",
	"aws_acm_certificate":                 "Certificate",
	"random_id":                           "Random name",
	"random_string":                       "Random text",
	"random_password":                     "Random password",
	"random_pet":                          "Random name",
	"null_resource":                       "Action",
	"terraform_data":                      "Stored value",
	"time_sleep":                          "Wait",
	"local_file":                          "File",
	"tls_private_key":                     "Private key",
}

// upperWords are written in capitals inside a label made from a type's name.
var upperWords = map[string]string{
	"acl": "ACL", "acm": "ACM", "api": "API", "db": "database", "dns": "DNS", "ebs": "EBS", "ec2": "EC2", "ecr": "ECR", "ecs": "ECS",
	"efs": "EFS", "eip": "EIP", "eks": "EKS", "iam": "IAM", "kms": "KMS", "lb": "load balancer", "nat": "NAT", "rds": "RDS", "s3": "S3",
	"sns": "SNS", "sqs": "SQS", "ssm": "SSM", "tls": "TLS", "vpc": "VPC", "vpn": "VPN", "waf": "WAF",
}

// plainType says in words what an object of this OpenTofu type is: "Load balancer" for aws_lb.
func plainType(t string) string {
	if w, ok := typeWords[t]; ok {
		return w
	}
	_, rest, ok := strings.Cut(t, "_") // without the provider
	if !ok {
		rest = t
	}
	words := strings.Fields(strings.ReplaceAll(rest, "_", " "))
	if len(words) == 0 {
		return "Object"
	}
	for i, w := range words {
		if upper, ok := upperWords[w]; ok {
			words[i] = upper
		}
	}
	return capital(strings.Join(words, " "))
}

// theObject puts an object into the middle of a sentence: "the load balancer".
func theObject(t string) string { return "the " + lowerFirst(plainType(t)) }

func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// lowerFirst leaves abbreviations alone.
func lowerFirst(s string) string {
	if len(s) > 1 && strings.ToUpper(s[:2]) == s[:2] {
		return s
	}
	return strings.ToLower(s[:min(1, len(s))]) + s[min(1, len(s)):]
}

func percent(fraction float64) string { return fmt.Sprintf("%d %%", int(math.Floor(fraction*100))) }

var indexes = regexp.MustCompile(`\[("(\\.|[^"\\])*"|[^\]]*)\]`)

// typeOf reads the type out of an address: aws_lb of module.x.aws_lb.this[0].
func typeOf(address string) string {
	parts := strings.Split(indexes.ReplaceAllString(address, ""), ".")
	for len(parts) > 1 && parts[0] == "module" {
		parts = parts[2:]
	}
	if len(parts) > 1 && parts[0] == "data" {
		parts = parts[1:]
	}
	if len(parts) == 0 {
		return address
	}
	return parts[0]
}
