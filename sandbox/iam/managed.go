package iam

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// managedPolicy is one of AWS's own policies, as far as a template can tell:
// its name, and what it allows in outline. Others than these do not exist here.
type managedPolicy struct {
	path, name string
	actions    []string
}

func managedPolicies() []managedPolicy {
	return []managedPolicy{
		{"/", "AdministratorAccess", []string{"*"}},
		{"/", "PowerUserAccess", []string{"*"}},
		{"/", "ReadOnlyAccess", []string{"*:Describe*", "*:Get*", "*:List*"}},
		{"/", "AmazonECS_FullAccess", []string{"ecs:*", "elasticloadbalancing:*", "ec2:Describe*", "logs:*"}},
		{"/", "AmazonEC2ContainerRegistryReadOnly", []string{"ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:DescribeRepositories", "ecr:ListImages", "ecr:DescribeImages"}},
		{"/", "AmazonEC2ContainerRegistryPowerUser", []string{"ecr:*"}},
		{"/", "AmazonEC2ContainerRegistryFullAccess", []string{"ecr:*"}},
		{"/", "AmazonS3ReadOnlyAccess", []string{"s3:Get*", "s3:List*"}},
		{"/", "AmazonS3FullAccess", []string{"s3:*"}},
		{"/", "AmazonSSMReadOnlyAccess", []string{"ssm:Describe*", "ssm:Get*", "ssm:List*"}},
		{"/", "AmazonSSMManagedInstanceCore", []string{"ssm:*", "ssmmessages:*", "ec2messages:*"}},
		{"/", "AmazonVPCReadOnlyAccess", []string{"ec2:Describe*"}},
		{"/", "AmazonVPCFullAccess", []string{"ec2:*"}},
		{"/", "CloudWatchFullAccess", []string{"cloudwatch:*", "logs:*"}},
		{"/", "CloudWatchLogsFullAccess", []string{"logs:*"}},
		{"/", "CloudWatchAgentServerPolicy", []string{"cloudwatch:PutMetricData", "logs:PutLogEvents", "logs:CreateLogStream", "logs:CreateLogGroup"}},
		{"/", "AWSXRayDaemonWriteAccess", []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}},
		{"/service-role/", "AmazonECSTaskExecutionRolePolicy", []string{"ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "logs:CreateLogStream", "logs:PutLogEvents"}},
		{"/service-role/", "AmazonEC2ContainerServiceRole", []string{"ec2:Describe*", "elasticloadbalancing:*"}},
		{"/service-role/", "AmazonEC2ContainerServiceforEC2Role", []string{"ecs:*", "ecr:*", "logs:CreateLogStream", "logs:PutLogEvents"}},
		{"/service-role/", "AmazonEC2ContainerServiceAutoscaleRole", []string{"ecs:DescribeServices", "ecs:UpdateService"}},
		{"/service-role/", "AmazonEC2ContainerServiceEventsRole", []string{"ecs:RunTask", "iam:PassRole"}},
	}
}

func awsPolicies() []policy {
	var out []policy
	for _, m := range managedPolicies() {
		out = append(out, m.policy())
	}
	return out
}

func awsPolicy(arn string) (policy, bool) {
	for _, m := range managedPolicies() {
		if arn == m.arn() {
			return m.policy(), true
		}
	}
	return policy{}, false
}

func (m managedPolicy) arn() string { return "arn:aws:iam::aws:policy" + m.path + m.name }

func (m managedPolicy) policy() policy {
	type statement struct {
		Effect   string
		Action   []string
		Resource string
	}
	doc, _ := json.Marshal(struct { // strings always encode
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{{"Allow", m.actions, "*"}}})
	since := time.Date(2015, 2, 6, 18, 40, 58, 0, time.UTC)
	sum := sha256.Sum256([]byte(m.name))
	return policy{
		ARN: m.arn(), Name: m.name, ID: "ANPA" + strings.ToUpper(fmt.Sprintf("%x", sum[:9]))[:17], Path: m.path, AWS: true,
		Created: since, Updated: since, Default: "v1", NextVersion: 2, Versions: []version{{"v1", string(doc), since}},
	}
}
