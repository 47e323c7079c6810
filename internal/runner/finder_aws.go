package runner

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthdev/berth/internal/awsapi"
)

// awsFinder looks up AWS objects by name or tags, with the credentials of the step's own environment. It speaks the
// wire protocols itself: a supervisor is started for every step, and eight service clients would slow each start.
type awsFinder struct{}

// awsLookup is how one type is found.
type awsLookup struct {
	service string // signing name and endpoint prefix
	// request builds the call from the planned arguments; nil means that they are not enough.
	request func(values map[string]any) *awsapi.Call
	// ids reads the answer.
	ids func(body []byte, values map[string]any) ([]string, error)
}

// Find implements Finder.
func (awsFinder) Find(ctx context.Context, q Query) ([]string, error) {
	lookup, ok := awsLookups()[q.Type]
	if !ok {
		return nil, ErrCannotFind
	}
	access, ok := awsAccess(q.Env, q.Sandbox)
	if !ok || access.Region == "" {
		return nil, ErrCannotFind
	}
	call := lookup.request(q.Values)
	if call == nil {
		return nil, ErrCannotFind
	}
	answer, err := access.Send(ctx, lookup.service, call)
	if err != nil {
		var gone *awsapi.NotFound
		if errors.As(err, &gone) {
			return nil, nil
		}
		return nil, err
	}
	ids, err := lookup.ids(answer.Body, q.Values)
	if err == nil && len(ids) > 0 && !ownName(q) {
		// It may just as well be somebody else's, and what is adopted is destroyed some day.
		return nil, fmt.Errorf("%s has the same name or tags, but they do not hold the environment's unique name, so whose it is cannot be told",
			strings.Join(ids, ", "))
	}
	return ids, err
}

// ownName says whether the arguments an object is looked up by hold the environment's unique name.
func ownName(q Query) bool {
	if q.UniqueName == "" {
		return false
	}
	// A listener has no name, but that of its load balancer is in the ARN of it.
	for _, key := range []string{"name", "family", "tags", "tags_all", "load_balancer_arn"} {
		switch v := q.Values[key].(type) {
		case string:
			if strings.Contains(v, q.UniqueName) {
				return true
			}
		case map[string]any:
			for _, t := range v {
				if strings.Contains(textOf(t), q.UniqueName) {
					return true
				}
			}
		}
	}
	return false
}

// awsAccess is the account the step works in.
func awsAccess(env map[string]string, sb *Sandbox) (awsapi.Access, bool) {
	if sb != nil {
		return awsapi.Access{Keys: aws.Credentials{AccessKeyID: sb.AccessKey, SecretAccessKey: sb.SecretKey},
			Region: firstOf(sb.Region, "us-east-1"), Endpoint: sb.Endpoint}, true
	}
	return awsapi.FromEnv(env)
}

// awsLookups lists what can be looked up. A type that has neither a name nor tags in its arguments is left in doubt.
func awsLookups() map[string]awsLookup {
	m := map[string]awsLookup{
		"aws_iam_role": {"iam", named("GetRole", "2010-05-08", "RoleName", "name"), nameItself},
		"aws_lb":       {"elasticloadbalancing", named("DescribeLoadBalancers", "2015-12-01", "Names.member.1", "name"), xmlTexts("LoadBalancerArn")},
		"aws_lb_target_group": {"elasticloadbalancing", named("DescribeTargetGroups", "2015-12-01", "Names.member.1", "name"),
			xmlTexts("TargetGroupArn")},
		"aws_lb_listener":         {"elasticloadbalancing", lbListener, listenersOnPort},
		"aws_ecs_cluster":         {"ecs", ecsCluster, jsonTexts("clusterArn", "status", "INACTIVE")},
		"aws_ecs_service":         {"ecs", ecsService, jsonTexts("serviceArn", "status", "INACTIVE")},
		"aws_ecs_task_definition": {"ecs", ecsTaskDefinition, jsonTexts("taskDefinitionArn", "status", "INACTIVE")},
		"aws_cloudwatch_log_group": {"logs", logGroup, func(body []byte, v map[string]any) ([]string, error) {
			names, err := jsonTexts("logGroupName", "", "")(body, v)
			return only(names, textOf(v["name"])), err
		}},
		"aws_ecr_repository": {"ecr", ecrRepository, jsonTexts("repositoryName", "", "")},
	}
	m["aws_alb"], m["aws_alb_target_group"], m["aws_alb_listener"] = m["aws_lb"], m["aws_lb_target_group"], m["aws_lb_listener"]
	for typ, c := range map[string][2]string{
		"aws_vpc": {"DescribeVpcs", "vpcId"}, "aws_subnet": {"DescribeSubnets", "subnetId"},
		"aws_internet_gateway": {"DescribeInternetGateways", "internetGatewayId"}, "aws_route_table": {"DescribeRouteTables", "routeTableId"},
		"aws_nat_gateway": {"DescribeNatGateways", "natGatewayId"}, "aws_eip": {"DescribeAddresses", "allocationId"},
		"aws_network_acl": {"DescribeNetworkAcls", "networkAclId"},
	} {
		m[typ] = awsLookup{"ec2", tagged(c[0], typ), xmlItems(c[1])}
	}
	m["aws_security_group"] = awsLookup{"ec2", securityGroup, xmlItems("groupId")}
	return m
}

// named asks for one object by its name.
func named(action, version, param, arg string) func(map[string]any) *awsapi.Call {
	return func(v map[string]any) *awsapi.Call {
		name := textOf(v[arg])
		if name == "" {
			return nil
		}
		return &awsapi.Call{Form: url.Values{"Action": {action}, "Version": {version}, param: {name}}}
	}
}

func nameItself(_ []byte, v map[string]any) ([]string, error) {
	return []string{textOf(v["name"])}, nil
}

// tagged asks EC2 for objects that have all the tags the object was to have, and lie in the same VPC. Without a tag
// that tells it apart every object would do.
func tagged(action, typ string) func(map[string]any) *awsapi.Call {
	return func(v map[string]any) *awsapi.Call {
		tags, _ := v["tags_all"].(map[string]any)
		if len(tags) == 0 {
			tags, _ = v["tags"].(map[string]any)
		}
		if textOf(tags["Name"]) == "" {
			return nil
		}
		f := ec2Filters{"Action": {action}, "Version": {"2016-11-15"}}
		keys := make([]string, 0, len(tags))
		for k := range tags {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			f.add("tag:"+k, textOf(tags[k]))
		}
		vpc, cidr := textOf(v["vpc_id"]), textOf(v["cidr_block"])
		switch typ {
		case "aws_subnet":
			f.add("vpc-id", vpc)
			f.add("cidr-block", cidr)
		case "aws_route_table", "aws_network_acl":
			f.add("vpc-id", vpc)
		case "aws_vpc":
			f.add("cidr", cidr)
		case "aws_nat_gateway":
			f.add("state", "pending", "available")
		}
		return &awsapi.Call{Form: url.Values(f)}
	}
}

type ec2Filters url.Values

func (f ec2Filters) add(name string, values ...string) {
	if len(values) == 0 || values[0] == "" {
		return
	}
	n := 1
	for url.Values(f).Has(fmt.Sprintf("Filter.%d.Name", n)) {
		n++
	}
	url.Values(f).Set(fmt.Sprintf("Filter.%d.Name", n), name)
	for i, v := range values {
		url.Values(f).Set(fmt.Sprintf("Filter.%d.Value.%d", n, i+1), v)
	}
}

func securityGroup(v map[string]any) *awsapi.Call {
	name := textOf(v["name"])
	if name == "" {
		return nil // name_prefix: only tags could tell
	}
	f := ec2Filters{"Action": {"DescribeSecurityGroups"}, "Version": {"2016-11-15"}}
	f.add("group-name", name)
	f.add("vpc-id", textOf(v["vpc_id"]))
	return &awsapi.Call{Form: url.Values(f)}
}

func lbListener(v map[string]any) *awsapi.Call {
	lb := textOf(v["load_balancer_arn"])
	if lb == "" || textOf(v["port"]) == "" {
		return nil
	}
	return &awsapi.Call{Form: url.Values{"Action": {"DescribeListeners"}, "Version": {"2015-12-01"}, "LoadBalancerArn": {lb}}}
}

func ecsCluster(v map[string]any) *awsapi.Call {
	name := textOf(v["name"])
	if name == "" {
		return nil
	}
	return &awsapi.Call{Target: "AmazonEC2ContainerServiceV20141113.DescribeClusters", Body: map[string]any{"clusters": []string{name}}}
}

func ecsService(v map[string]any) *awsapi.Call {
	name, cluster := textOf(v["name"]), textOf(v["cluster"])
	if name == "" || cluster == "" {
		return nil
	}
	return &awsapi.Call{Target: "AmazonEC2ContainerServiceV20141113.DescribeServices",
		Body: map[string]any{"cluster": cluster, "services": []string{name}}}
}

func ecsTaskDefinition(v map[string]any) *awsapi.Call {
	family := textOf(v["family"])
	if family == "" {
		return nil
	}
	return &awsapi.Call{Target: "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition", Body: map[string]any{"taskDefinition": family}}
}

func logGroup(v map[string]any) *awsapi.Call {
	name := textOf(v["name"])
	if name == "" {
		return nil
	}
	return &awsapi.Call{Target: "Logs_20140328.DescribeLogGroups", Body: map[string]any{"logGroupNamePrefix": name}}
}

func ecrRepository(v map[string]any) *awsapi.Call {
	name := textOf(v["name"])
	if name == "" {
		return nil
	}
	return &awsapi.Call{Target: "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", Body: map[string]any{"repositoryNames": []string{name}}}
}

func only(list []string, want string) []string {
	for _, s := range list {
		if s == want {
			return []string{s}
		}
	}
	return nil
}
