package ecs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	awselb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/elbv2"
)

// Every environment of the ECS template has a network with the same addresses. The tasks in them must not be taken for
// each other.
func TestSameAddressInTwoNetworks(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	var balancers *elbv2.Service
	for _, service := range s.services {
		if b, ok := service.(*elbv2.Service); ok {
			balancers = b
		}
	}
	here, err := s.ec2.DescribeSubnets(ctx, &awsec2.DescribeSubnetsInput{SubnetIds: s.subnets[:1]})
	require.NoError(t, err)
	vpc, err := s.ec2.CreateVpc(ctx, &awsec2.CreateVpcInput{CidrBlock: here.Subnets[0].CidrBlock})
	require.NoError(t, err)
	there, err := s.ec2.CreateSubnet(ctx, &awsec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: here.Subnets[0].CidrBlock})
	require.NoError(t, err)
	group, err := s.elb.CreateTargetGroup(ctx, &awselb.CreateTargetGroupInput{
		Name: aws.String("other"), Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumIp, VpcId: vpc.Vpc.VpcId,
	})
	require.NoError(t, err)
	lb, err := s.elb.DescribeLoadBalancers(ctx, &awselb.DescribeLoadBalancersInput{Names: []string{"web"}})
	require.NoError(t, err)

	ours, err := s.ec2.CreateNetworkInterface(ctx, &awsec2.CreateNetworkInterfaceInput{SubnetId: &s.subnets[0]})
	require.NoError(t, err)
	address := ours.NetworkInterface.PrivateIpAddress
	theirs, err := s.ec2.CreateNetworkInterface(ctx, &awsec2.CreateNetworkInterfaceInput{SubnetId: there.Subnet.SubnetId, PrivateIpAddress: address})
	require.NoError(t, err)
	require.NoError(t, balancers.Register(elbv2.Task{
		TargetGroup: s.group, IP: *address, Port: 80, TaskID: "ours", Interface: *ours.NetworkInterface.NetworkInterfaceId,
	}))
	require.NoError(t, balancers.Register(elbv2.Task{
		TargetGroup: *group.TargetGroups[0].TargetGroupArn, IP: *address, Port: 80, TaskID: "theirs", Interface: *theirs.NetworkInterface.NetworkInterfaceId,
	}))

	// The load balancer has the default group of its network, which lets its members reach each other and nobody else in.
	arn := *lb.LoadBalancers[0].LoadBalancerArn
	require.True(t, balancers.Allow(arn, dataplane.Target{ID: *address, Port: 80, TaskID: "ours"}))
	require.False(t, balancers.Allow(arn, dataplane.Target{ID: *address, Port: 80, TaskID: "theirs"}))
}
