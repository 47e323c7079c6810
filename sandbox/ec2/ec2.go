// Package ec2 is the sandbox's EC2: VPCs, subnets, gateways, addresses, route
// tables, security groups, network ACLs and network interfaces. It keeps the
// network's description; packets are the data plane's business. It must not
// know who uses its interfaces: the container service and the load balancers
// call its exported methods inside their own transactions.
package ec2

import (
	"context"
	"net/http"

	"github.com/berthdev/berth/sandbox/core"
)

const namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

// Service is EC2.
type Service struct {
	env *core.Env

	vpcs        kind[VPC]
	subnets     kind[Subnet]
	gateways    kind[internetGateway]
	nats        kind[natGateway]
	addresses   kind[address]
	tables      kind[routeTable]
	groups      kind[SecurityGroup]
	acls        kind[networkACL]
	interfaces  kind[Interface]
	dhcpOptions kind[dhcpOptions]
	tags        core.Collection[core.Tags]
	seeds       core.Collection[seed]
}

// New makes the service.
func New(env *core.Env) *Service {
	s := &Service{
		env:   env,
		tags:  core.NewCollection[core.Tags]("ec2", "tags"),
		seeds: core.NewCollection[seed]("ec2", "seed"),
	}
	s.vpcs = vpcKind()
	s.subnets = subnetKind()
	s.gateways = gatewayKind()
	s.nats = s.natKind()
	s.addresses = addressKind()
	s.tables = tableKind()
	s.groups = groupKind()
	s.acls = aclKind()
	s.interfaces = interfaceKind()
	s.dhcpOptions = dhcpKind()
	return s
}

// Spec describes the service to the front.
func (s *Service) Spec() core.Spec {
	return core.Spec{
		Name: "ec2", Title: "Elastic Compute Cloud", Protocol: core.ProtocolEC2, Namespace: namespace,
		Operations: s.operations(),
	}
}

// operation is one EC2 action inside a transaction.
type operation func(tx *core.Tx, r *core.Request) (any, error)

// read makes a handler that only looks.
func (s *Service) read(op operation) core.Handler {
	return func(_ context.Context, r *core.Request) (any, error) {
		if err := s.Ensure(r.Region); err != nil {
			return nil, err
		}
		return core.Read(s.env.Store, func(tx *core.Tx) (any, error) { return op(tx, r) })
	}
}

// write makes a handler that changes; with DryRun it only says that it would.
func (s *Service) write(op operation) core.Handler {
	return func(_ context.Context, r *core.Request) (any, error) {
		if r.Form.Bool("DryRun") {
			return nil, core.Errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").WithStatus(http.StatusPreconditionFailed)
		}
		if err := s.Ensure(r.Region); err != nil {
			return nil, err
		}
		return core.Write(s.env.Store, func(tx *core.Tx) (any, error) { return op(tx, r) })
	}
}

func (s *Service) operations() map[string]core.Handler {
	ops := map[string]core.Handler{}
	for name, op := range s.readers() {
		ops[name] = s.read(op)
	}
	for name, op := range s.writers() {
		ops[name] = s.write(op)
	}
	return ops
}

func (s *Service) readers() map[string]operation {
	return map[string]operation{
		"DescribeVpcs":                         s.describeVpcs,
		"DescribeVpcAttribute":                 s.describeVpcAttribute,
		"DescribeVpcClassicLink":               classicLinkRetired,
		"DescribeVpcClassicLinkDnsSupport":     classicLinkRetired,
		"DescribeSubnets":                      s.describeSubnets,
		"DescribeInternetGateways":             s.describeInternetGateways,
		"DescribeNatGateways":                  s.describeNatGateways,
		"DescribeAddresses":                    s.describeAddresses,
		"DescribeAddressesAttribute":           s.describeAddressesAttribute,
		"DescribeRouteTables":                  s.describeRouteTables,
		"DescribeSecurityGroups":               s.describeSecurityGroups,
		"DescribeSecurityGroupRules":           s.describeSecurityGroupRules,
		"DescribeSecurityGroupReferences":      s.describeSecurityGroupReferences,
		"DescribeNetworkAcls":                  s.describeNetworkAcls,
		"DescribeNetworkInterfaces":            s.describeNetworkInterfaces,
		"DescribeNetworkInterfaceAttribute":    s.describeNetworkInterfaceAttribute,
		"DescribeDhcpOptions":                  s.describeDhcpOptions,
		"DescribeTags":                         s.describeTags,
		"DescribeAvailabilityZones":            describeAvailabilityZones,
		"DescribeRegions":                      describeRegions,
		"DescribeAccountAttributes":            s.describeAccountAttributes,
		"DescribePrefixLists":                  describePrefixLists,
		"DescribeManagedPrefixLists":           describeManagedPrefixLists,
		"DescribeVpcEndpoints":                 empty("vpcEndpointSet"),
		"DescribeFlowLogs":                     empty("flowLogSet"),
		"DescribeVpcPeeringConnections":        empty("vpcPeeringConnectionSet"),
		"DescribeInstances":                    empty("reservationSet"),
		"DescribeVpnGateways":                  empty("vpnGatewaySet"),
		"DescribeVpnConnections":               empty("vpnConnectionSet"),
		"DescribeCustomerGateways":             empty("customerGatewaySet"),
		"DescribeEgressOnlyInternetGateways":   empty("egressOnlyInternetGatewaySet"),
		"DescribeTransitGatewayVpcAttachments": empty("transitGatewayVpcAttachments"),
		"DescribeVolumes":                      empty("volumeSet"),
		"DescribeKeyPairs":                     empty("keySet"),
	}
}

func (s *Service) writers() map[string]operation {
	return map[string]operation{
		"CreateVpc":                                  s.createVpc,
		"DeleteVpc":                                  s.deleteVpc,
		"ModifyVpcAttribute":                         s.modifyVpcAttribute,
		"AssociateVpcCidrBlock":                      s.associateVpcCidrBlock,
		"DisassociateVpcCidrBlock":                   s.disassociateVpcCidrBlock,
		"CreateSubnet":                               s.createSubnet,
		"DeleteSubnet":                               s.deleteSubnet,
		"ModifySubnetAttribute":                      s.modifySubnetAttribute,
		"CreateInternetGateway":                      s.createInternetGateway,
		"DeleteInternetGateway":                      s.deleteInternetGateway,
		"AttachInternetGateway":                      s.attachInternetGateway,
		"DetachInternetGateway":                      s.detachInternetGateway,
		"CreateNatGateway":                           s.createNatGateway,
		"DeleteNatGateway":                           s.deleteNatGateway,
		"AllocateAddress":                            s.allocateAddress,
		"ReleaseAddress":                             s.releaseAddress,
		"AssociateAddress":                           s.associateAddress,
		"DisassociateAddress":                        s.disassociateAddress,
		"CreateRouteTable":                           s.createRouteTable,
		"DeleteRouteTable":                           s.deleteRouteTable,
		"CreateRoute":                                s.createRoute,
		"ReplaceRoute":                               s.replaceRoute,
		"DeleteRoute":                                s.deleteRoute,
		"AssociateRouteTable":                        s.associateRouteTable,
		"DisassociateRouteTable":                     s.disassociateRouteTable,
		"ReplaceRouteTableAssociation":               s.replaceRouteTableAssociation,
		"CreateSecurityGroup":                        s.createSecurityGroup,
		"DeleteSecurityGroup":                        s.deleteSecurityGroup,
		"AuthorizeSecurityGroupIngress":              s.authorize(false),
		"AuthorizeSecurityGroupEgress":               s.authorize(true),
		"RevokeSecurityGroupIngress":                 s.revoke(false),
		"RevokeSecurityGroupEgress":                  s.revoke(true),
		"ModifySecurityGroupRules":                   s.modifySecurityGroupRules,
		"UpdateSecurityGroupRuleDescriptionsIngress": s.updateRuleDescriptions(false),
		"UpdateSecurityGroupRuleDescriptionsEgress":  s.updateRuleDescriptions(true),
		"CreateNetworkAcl":                           s.createNetworkAcl,
		"DeleteNetworkAcl":                           s.deleteNetworkAcl,
		"CreateNetworkAclEntry":                      s.createNetworkAclEntry,
		"ReplaceNetworkAclEntry":                     s.replaceNetworkAclEntry,
		"DeleteNetworkAclEntry":                      s.deleteNetworkAclEntry,
		"ReplaceNetworkAclAssociation":               s.replaceNetworkAclAssociation,
		"CreateNetworkInterface":                     s.createNetworkInterface,
		"DeleteNetworkInterface":                     s.deleteNetworkInterface,
		"ModifyNetworkInterfaceAttribute":            s.modifyNetworkInterfaceAttribute,
		"CreateDhcpOptions":                          s.createDhcpOptions,
		"DeleteDhcpOptions":                          s.deleteDhcpOptions,
		"AssociateDhcpOptions":                       s.associateDhcpOptions,
		"CreateTags":                                 s.createTags,
		"DeleteTags":                                 s.deleteTags,
	}
}

// done is the answer of operations that only succeed.
type done struct {
	Return bool `xml:"return"`
}

var succeeded = done{Return: true}
