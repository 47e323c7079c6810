package ec2

import (
	"context"
	"log/slog"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/core"
)

const region = "us-west-2"

func setup(t *testing.T) *Service {
	t.Helper()
	store, err := core.OpenStore("", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	s := New(&core.Env{Store: store, Clock: core.SystemClock{}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, s.Ensure(region))
	return s
}

// call carries out an operation as the front would.
func call(t *testing.T, s *Service, action string, params ...string) (any, error) {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(params); i += 2 {
		values.Set(params[i], params[i+1])
	}
	return s.operations()[action](context.Background(), &core.Request{Region: region, Action: action, Form: core.NewForm(values)})
}

func update(t *testing.T, s *Service, f func(tx *core.Tx)) {
	t.Helper()
	require.NoError(t, s.env.Store.Update(func(tx *core.Tx) error { f(tx); return nil }))
}

func TestAllows(t *testing.T) {
	t.Parallel()
	s := setup(t)
	port := func(n int) *int { return &n }
	update(t, s, func(tx *core.Tx) {
		s.groups.put(tx, region, SecurityGroup{ID: "sg-lb", Rules: []Rule{
			{Protocol: "tcp", From: port(80), To: port(80), CIDR: "0.0.0.0/0"},
			{Egress: true, Protocol: "-1", CIDR: "0.0.0.0/0"},
		}})
		s.groups.put(tx, region, SecurityGroup{ID: "sg-task", Rules: []Rule{
			{Protocol: "tcp", From: port(8080), To: port(8090), Group: "sg-lb"},
			{Protocol: "tcp", From: port(22), To: port(22), CIDR: "10.0.0.0/24"},
		}})
		s.groups.put(tx, region, SecurityGroup{ID: "sg-shut"})

		outside, lb, task := Peer{IP: "203.0.113.9"}, Peer{Groups: []string{"sg-lb"}, IP: "10.0.1.4"}, Peer{Groups: []string{"sg-task"}, IP: "10.0.2.4"}
		for name, c := range map[string]struct {
			from, to Peer
			protocol string
			port     int
			want     bool
		}{
			"anybody reaches the balancer's port":   {outside, lb, "tcp", 80, true},
			"and no other port":                     {outside, lb, "tcp", 81, false},
			"and no other protocol":                 {outside, lb, "udp", 80, false},
			"the balancer reaches the task":         {lb, task, "tcp", 8085, true},
			"on the task's ports alone":             {lb, task, "tcp", 8091, false},
			"nobody else reaches the task":          {outside, task, "tcp", 8085, false},
			"a range admits its members":            {Peer{IP: "10.0.0.77"}, task, "tcp", 22, true},
			"and nobody else":                       {Peer{IP: "10.0.1.77"}, task, "tcp", 22, false},
			"a group without egress reaches nobody": {Peer{Groups: []string{"sg-shut"}, IP: "10.0.3.4"}, lb, "tcp", 80, false},
			"an unknown address counts as anybody":  {Peer{}, lb, "tcp", 80, true},
			"one good group of several is enough":   {outside, Peer{Groups: []string{"sg-shut", "sg-lb"}}, "tcp", 80, true},
			"a group that is gone admits nobody":    {outside, Peer{Groups: []string{"sg-gone"}}, "tcp", 80, false},
		} {
			require.Equal(t, c.want, s.Allows(tx, region, c.from, c.to, c.protocol, c.port), name)
		}
	})
}

func TestATasksInterface(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var made Interface
	update(t, s, func(tx *core.Tx) {
		subnet := s.subnets.records.List(tx, region)[0]
		var err error
		made, err = s.CreateInterface(tx, region, InterfaceInput{
			Subnet: subnet.ID, Description: "task", PublicIP: "127.1.2.3", RequesterID: "ecs", Tags: core.Tags{"aws:ecs:serviceName": "web"},
		})
		require.NoError(t, err)
		second, err := s.CreateInterface(tx, region, InterfaceInput{Subnet: subnet.ID, RequesterID: "ecs"})
		require.NoError(t, err)
		require.NotEqual(t, made.PrivateIP, second.PrivateIP)
		require.Len(t, made.Groups, 1, "no group means the VPC's default one")
		require.Empty(t, s.Inventory(tx), "what a service made is the service's to remove")
	})
	got, err := call(t, s, "DescribeNetworkInterfaces", "Filter.1.Name", "association.public-ip", "Filter.1.Value.1", "127.1.2.3")
	require.NoError(t, err)
	found := got.(struct {
		Interfaces core.Items[interfaceItem] `xml:"networkInterfaceSet"`
		Next       string                    `xml:"nextToken,omitempty"`
	}).Interfaces
	require.Len(t, found, 1)
	require.Equal(t, made.ID, found[0].ID)
	require.Equal(t, "in-use", found[0].Status)
	require.Equal(t, "127.1.2.3", found[0].Addresses[0].Association.PublicIP)

	_, err = call(t, s, "DeleteNetworkInterface", "NetworkInterfaceId", made.ID)
	require.Equal(t, "InvalidParameterValue", core.ErrorCode(err), "it is in use")
	update(t, s, func(tx *core.Tx) {
		require.NoError(t, s.SetInterfacePublicIP(tx, region, made.ID, ""))
		require.NoError(t, s.DeleteInterface(tx, region, made.ID))
		require.NoError(t, s.DeleteInterface(tx, region, made.ID), "twice is once")
	})
	_, err = call(t, s, "DescribeNetworkInterfaces", "NetworkInterfaceId.1", made.ID)
	require.Equal(t, "InvalidNetworkInterfaceID.NotFound", core.ErrorCode(err))
}

func TestSetTagsByARN(t *testing.T) {
	t.Parallel()
	s := setup(t)
	update(t, s, func(tx *core.Tx) {
		id := s.vpcs.records.List(tx, region)[0].ID
		found, err := s.SetTags(tx, arn(region, "vpc", id), core.Tags{"a": "1", "b": "2"}, nil)
		require.True(t, found)
		require.NoError(t, err)
		found, err = s.SetTags(tx, arn(region, "vpc", id), nil, []string{"a"})
		require.True(t, found)
		require.NoError(t, err)
		require.Equal(t, core.Tags{"b": "2"}, s.tagged(tx, region, id))
		for _, unknown := range []string{"arn:aws:iam::000000000000:role/x", arn(region, "vpc", "vpc-0"), "nonsense"} {
			found, err = s.SetTags(tx, unknown, core.Tags{"a": "1"}, nil)
			require.False(t, found, unknown)
			require.NoError(t, err)
		}
	})
}
