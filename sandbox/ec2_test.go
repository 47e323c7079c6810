package sandbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
)

const patience = 20 * time.Second

func tagged(kind types.ResourceType, name string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String(name)}}}}
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: aws.String(name), Values: values}}
}

// network is a VPC with a public subnet.
type network struct{ vpc, subnet, gateway string }

func makeNetwork(t *testing.T, c *ec2.Client) network {
	t.Helper()
	ctx := context.Background()
	vpc, err := c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: tagged(types.ResourceTypeVpc, "net")})
	require.NoError(t, err)
	n := network{vpc: *vpc.Vpc.VpcId}
	require.NoError(t, ec2.NewVpcAvailableWaiter(c).Wait(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{n.vpc}}, patience))
	subnet, err := c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &n.vpc, CidrBlock: aws.String("10.0.1.0/24"), AvailabilityZone: aws.String("us-west-2b")})
	require.NoError(t, err)
	n.subnet = *subnet.Subnet.SubnetId
	require.NoError(t, ec2.NewSubnetAvailableWaiter(c).Wait(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{n.subnet}}, patience))
	gateway, err := c.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{})
	require.NoError(t, err)
	n.gateway = *gateway.InternetGateway.InternetGatewayId
	_, err = c.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: &n.gateway, VpcId: &n.vpc})
	require.NoError(t, err)
	return n
}

func TestVPCComesWithItsDefaultsAndTakesThemAlong(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	n := makeNetwork(t, r.ec2)

	tables, err := r.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: append(filter("vpc-id", n.vpc), filter("association.main", "true")...)})
	require.NoError(t, err)
	require.Len(t, tables.RouteTables, 1)
	require.Equal(t, "local", *tables.RouteTables[0].Routes[0].GatewayId)
	groups, err := r.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: append(filter("vpc-id", n.vpc), filter("group-name", "default")...)})
	require.NoError(t, err)
	require.Len(t, groups.SecurityGroups, 1)
	require.Equal(t, *groups.SecurityGroups[0].GroupId, *groups.SecurityGroups[0].IpPermissions[0].UserIdGroupPairs[0].GroupId)
	acls, err := r.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: append(filter("vpc-id", n.vpc), filter("default", "true")...)})
	require.NoError(t, err)
	require.Len(t, acls.NetworkAcls, 1)
	require.Equal(t, n.subnet, *acls.NetworkAcls[0].Associations[0].SubnetId)

	require.Equal(t, map[string]int{"ec2/vpc": 1, "ec2/subnet": 1, "ec2/internet-gateway": 1}, r.kinds(t), "built-in objects are not the owner's to delete")
	require.Equal(t, "net", r.inventory(t)["ec2"]["vpc"][0].Name)

	_, err = r.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &n.vpc})
	requireCode(t, err, "DependencyViolation")
	_, err = r.ec2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &n.gateway})
	requireCode(t, err, "DependencyViolation")
	_, err = r.ec2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &n.gateway, VpcId: &n.vpc})
	require.NoError(t, err)
	_, err = r.ec2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &n.gateway})
	require.NoError(t, err)
	_, err = r.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &n.subnet})
	require.NoError(t, err)
	_, err = r.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &n.vpc})
	require.NoError(t, err)
	require.Empty(t, r.kinds(t))
	groups, err = r.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: filter("vpc-id", n.vpc)})
	require.NoError(t, err)
	require.Empty(t, groups.SecurityGroups)
	_, err = r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{n.vpc}})
	requireCode(t, err, "InvalidVpcID.NotFound")
}

func TestNATGatewayLifecycle(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	n := makeNetwork(t, r.ec2)
	eip, err := r.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc})
	require.NoError(t, err)
	made, err := r.ec2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &n.subnet, AllocationId: eip.AllocationId, TagSpecifications: tagged(types.ResourceTypeNatgateway, "nat")})
	require.NoError(t, err)
	require.Equal(t, types.NatGatewayStatePending, made.NatGateway.State)
	query := &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*made.NatGateway.NatGatewayId}}
	require.NoError(t, ec2.NewNatGatewayAvailableWaiter(r.ec2).Wait(ctx, query, patience, func(o *ec2.NatGatewayAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 100*time.Millisecond
	}))
	gateways, err := r.ec2.DescribeNatGateways(ctx, query)
	require.NoError(t, err)
	require.Equal(t, *eip.PublicIp, *gateways.NatGateways[0].NatGatewayAddresses[0].PublicIp)

	_, err = r.ec2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: eip.AllocationId})
	requireCode(t, err, "InvalidIPAddress.InUse")
	_, err = r.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &n.subnet})
	requireCode(t, err, "DependencyViolation")
	_, err = r.ec2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &n.gateway, VpcId: &n.vpc})
	requireCode(t, err, "DependencyViolation")

	_, err = r.ec2.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: made.NatGateway.NatGatewayId})
	require.NoError(t, err)
	require.NoError(t, ec2.NewNatGatewayDeletedWaiter(r.ec2).Wait(ctx, query, patience, func(o *ec2.NatGatewayDeletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 100*time.Millisecond
	}))
	_, err = r.ec2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: eip.AllocationId})
	require.NoError(t, err)
	_, err = r.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &n.subnet})
	require.NoError(t, err)
	require.NotContains(t, r.kinds(t), "ec2/nat-gateway", "a deleted gateway is described for a while, but is nobody's to delete")
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	n := makeNetwork(t, r.ec2)
	made, err := r.ec2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &n.vpc})
	require.NoError(t, err)
	table := made.RouteTable.RouteTableId
	add := func(cidr, gateway string) error {
		_, err := r.ec2.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: &cidr, GatewayId: &gateway})
		return err
	}
	require.NoError(t, add("0.0.0.0/0", n.gateway))
	require.NoError(t, add("0.0.0.0/0", n.gateway), "the same route twice is one route")
	requireCode(t, add("0.0.0.0/0", "local"), "RouteAlreadyExists")
	requireCode(t, add("192.0.2.0/24", "igw-00000000000000000"), "InvalidGatewayID.NotFound")

	associated, err := r.ec2.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: &n.subnet})
	require.NoError(t, err)
	_, err = r.ec2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: table})
	requireCode(t, err, "DependencyViolation")

	mains, err := r.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: append(filter("vpc-id", n.vpc), filter("association.main", "true")...)})
	require.NoError(t, err)
	replaced, err := r.ec2.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{AssociationId: mains.RouteTables[0].Associations[0].RouteTableAssociationId, RouteTableId: table})
	require.NoError(t, err)
	now, err := r.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: filter("association.main", "true"), RouteTableIds: []string{*table}})
	require.NoError(t, err)
	require.Len(t, now.RouteTables, 1)
	_, err = r.ec2.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{AssociationId: replaced.NewAssociationId, RouteTableId: mains.RouteTables[0].RouteTableId})
	require.NoError(t, err)

	_, err = r.ec2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &n.gateway, VpcId: &n.vpc})
	require.NoError(t, err)
	now, err = r.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{*table}})
	require.NoError(t, err)
	require.Equal(t, types.RouteStateBlackhole, now.RouteTables[0].Routes[1].State, "its gateway leads nowhere now")

	_, err = r.ec2.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0")})
	require.NoError(t, err)
	_, err = r.ec2.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0")})
	requireCode(t, err, "InvalidRoute.NotFound")
	_, err = r.ec2.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: associated.AssociationId})
	require.NoError(t, err)
	_, err = r.ec2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: table})
	require.NoError(t, err)
}

func TestSecurityGroupRules(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	n := makeNetwork(t, r.ec2)
	group := func(name string) string {
		g, err := r.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("d"), VpcId: &n.vpc})
		require.NoError(t, err)
		return *g.GroupId
	}
	lb, task := group("lb"), group("task")
	_, err := r.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("lb"), Description: aws.String("d"), VpcId: &n.vpc})
	requireCode(t, err, "InvalidGroup.Duplicate")

	fromLB := []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(81),
		UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &lb, Description: aws.String("from the balancer")}},
		IpRanges:         []types.IpRange{{CidrIp: aws.String("10.9.9.9/16")}},
	}}
	added, err := r.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &task, IpPermissions: fromLB, TagSpecifications: tagged(types.ResourceTypeSecurityGroupRule, "r")})
	require.NoError(t, err)
	require.Len(t, added.SecurityGroupRules, 2)
	_, err = r.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &task, IpPermissions: fromLB})
	requireCode(t, err, "InvalidPermission.Duplicate")

	rules, err := r.ec2.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", task)})
	require.NoError(t, err)
	require.Len(t, rules.SecurityGroupRules, 3, "two made and the default way out")
	seen := map[string]types.SecurityGroupRule{}
	for _, x := range rules.SecurityGroupRules {
		switch {
		case *x.IsEgress:
			seen["out"] = x
		case x.CidrIpv4 != nil:
			seen["range"] = x
		default:
			seen["group"] = x
		}
	}
	require.Equal(t, "10.9.0.0/16", *seen["range"].CidrIpv4, "host bits are cleared")
	require.Equal(t, lb, *seen["group"].ReferencedGroupInfo.GroupId)
	require.Equal(t, "from the balancer", *seen["group"].Description)
	require.Equal(t, "r", *seen["group"].Tags[0].Value)
	require.Equal(t, "0.0.0.0/0", *seen["out"].CidrIpv4)
	require.Equal(t, int32(-1), *seen["out"].FromPort)

	_, err = r.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &lb})
	requireCode(t, err, "DependencyViolation")
	_, err = r.ec2.UpdateSecurityGroupRuleDescriptionsIngress(ctx, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &task, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(81), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &lb, Description: aws.String("new")}},
	}}})
	require.NoError(t, err)
	groups, err := r.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{task}})
	require.NoError(t, err)
	require.Len(t, groups.SecurityGroups[0].IpPermissions, 1, "rules of the same ports are one permission")
	require.Equal(t, "new", *groups.SecurityGroups[0].IpPermissions[0].UserIdGroupPairs[0].Description)

	_, err = r.ec2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &task, SecurityGroupRuleIds: []string{*seen["group"].SecurityGroupRuleId}})
	require.NoError(t, err)
	_, err = r.ec2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &task, IpPermissions: fromLB[:1]})
	requireCode(t, err, "InvalidPermission.NotFound")
	_, err = r.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &lb})
	require.NoError(t, err)

	iface, err := r.ec2.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &n.subnet, Groups: []string{task}})
	require.NoError(t, err)
	require.NoError(t, ec2.NewNetworkInterfaceAvailableWaiter(r.ec2).Wait(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: filter("group-id", task)}, patience))
	_, err = r.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &task})
	requireCode(t, err, "DependencyViolation")
	_, err = r.ec2.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: iface.NetworkInterface.NetworkInterfaceId})
	require.NoError(t, err)
	_, err = r.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &task})
	require.NoError(t, err)
}

func TestSubnetsAreChecked(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	n := makeNetwork(t, r.ec2)
	for cidr, code := range map[string]string{
		"10.0.1.128/25": "InvalidSubnet.Conflict", "10.1.0.0/24": "InvalidSubnet.Range", "10.0.0.0/15": "InvalidSubnet.Range", "nonsense": "InvalidParameterValue",
	} {
		_, err := r.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &n.vpc, CidrBlock: &cidr})
		requireCode(t, err, code)
	}
	_, err := r.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/8")})
	requireCode(t, err, "InvalidVpc.Range")
	got, err := r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{n.subnet}})
	require.NoError(t, err)
	require.Equal(t, "us-west-2b", *got.Subnets[0].AvailabilityZone)
	require.Equal(t, int32(251), *got.Subnets[0].AvailableIpAddressCount)
	require.False(t, *got.Subnets[0].MapPublicIpOnLaunch)
	_, err = r.ec2.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{SubnetId: &n.subnet, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
	require.NoError(t, err)
	got, err = r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{n.subnet}})
	require.NoError(t, err)
	require.True(t, *got.Subnets[0].MapPublicIpOnLaunch)
}

func TestRegionsAreApartAndBuiltIn(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	makeNetwork(t, r.ec2)
	other := ec2.NewFromConfig(awsConfig(r.URL(), "eu-central-1"))
	vpcs, err := other.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	require.NoError(t, err)
	require.Len(t, vpcs.Vpcs, 1)
	require.True(t, *vpcs.Vpcs[0].IsDefault)
	subnets, err := other.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filter("default-for-az", "true")})
	require.NoError(t, err)
	require.Len(t, subnets.Subnets, 3)
	zones, err := r.ec2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{Filters: filter("state", "available")})
	require.NoError(t, err)
	require.Len(t, zones.AvailabilityZones, 4)
	require.Equal(t, "us-west-2a", *zones.AvailabilityZones[0].ZoneName)
}

func TestTagsAndPages(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	n := makeNetwork(t, r.ec2)
	_, err := r.ec2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{n.vpc, n.subnet}, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a&b")}}})
	require.NoError(t, err)
	_, err = r.ec2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{"vpc-00000000000000000"}, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	requireCode(t, err, "InvalidVpcID.NotFound")
	found, err := r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filter("tag:team", "a&*")})
	require.NoError(t, err)
	require.Len(t, found.Subnets, 1)
	_, err = r.ec2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{n.subnet}, Tags: []types.Tag{{Key: aws.String("team")}}})
	require.NoError(t, err)
	tags, err := r.ec2.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: filter("key", "team")})
	require.NoError(t, err)
	require.Len(t, tags.Tags, 1)
	require.Equal(t, n.vpc, *tags.Tags[0].ResourceId)
	require.Equal(t, types.ResourceTypeVpc, tags.Tags[0].ResourceType)

	var ids []string
	pages := ec2.NewDescribeSubnetsPaginator(r.ec2, &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Subnets), 2)
		for _, v := range page.Subnets {
			ids = append(ids, *v.SubnetId)
		}
	}
	require.Len(t, ids, 5, "four of the default VPC and one made")
}

func TestNetworkACLs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := start(t, "")
	n := makeNetwork(t, r.ec2)
	made, err := r.ec2.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: &n.vpc})
	require.NoError(t, err)
	acl := made.NetworkAcl.NetworkAclId
	require.Len(t, made.NetworkAcl.Entries, 2, "only what denies the rest")
	entry := &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: acl, RuleNumber: aws.Int32(10), Egress: aws.Bool(false), Protocol: aws.String("6"), RuleAction: types.RuleActionAllow,
		CidrBlock: aws.String("0.0.0.0/0"), PortRange: &types.PortRange{From: aws.Int32(80), To: aws.Int32(80)},
	}
	_, err = r.ec2.CreateNetworkAclEntry(ctx, entry)
	require.NoError(t, err)
	_, err = r.ec2.CreateNetworkAclEntry(ctx, entry)
	requireCode(t, err, "NetworkAclEntryAlreadyExists")

	acls, err := r.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: filter("association.subnet-id", n.subnet)})
	require.NoError(t, err)
	association := acls.NetworkAcls[0].Associations[0].NetworkAclAssociationId
	moved, err := r.ec2.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: association, NetworkAclId: acl})
	require.NoError(t, err)
	_, err = r.ec2.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: acl})
	requireCode(t, err, "DependencyViolation")
	_, err = r.ec2.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: moved.NewAssociationId, NetworkAclId: acls.NetworkAcls[0].NetworkAclId})
	require.NoError(t, err)
	_, err = r.ec2.DeleteNetworkAclEntry(ctx, &ec2.DeleteNetworkAclEntryInput{NetworkAclId: acl, RuleNumber: aws.Int32(10), Egress: aws.Bool(false)})
	require.NoError(t, err)
	_, err = r.ec2.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: acl})
	require.NoError(t, err)
}
