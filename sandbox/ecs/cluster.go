package ecs

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

const (
	active   = "ACTIVE"
	draining = "DRAINING"
	inactive = "INACTIVE"
)

type nameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type strategyItem struct {
	CapacityProvider string `json:"capacityProvider"`
	Weight           int    `json:"weight"`
	Base             int    `json:"base"`
}

type cluster struct {
	Name, Region, Status string
	Settings             []nameValue
	Configuration        json.RawMessage
	Providers            []string
	Strategy             []strategyItem
	ServiceConnect       json.RawMessage
	Tags                 core.Tags
	Created              time.Time
}

func (c cluster) arn() string { return arn(c.Region, "cluster/"+c.Name) }

type clusterOutput struct {
	ClusterARN                        string          `json:"clusterArn"`
	ClusterName                       string          `json:"clusterName"`
	Configuration                     json.RawMessage `json:"configuration,omitempty"`
	Status                            string          `json:"status"`
	RegisteredContainerInstancesCount int             `json:"registeredContainerInstancesCount"`
	RunningTasksCount                 int             `json:"runningTasksCount"`
	PendingTasksCount                 int             `json:"pendingTasksCount"`
	ActiveServicesCount               int             `json:"activeServicesCount"`
	Statistics                        []nameValue     `json:"statistics"`
	Tags                              []tag           `json:"tags"`
	Settings                          []nameValue     `json:"settings"`
	CapacityProviders                 []string        `json:"capacityProviders"`
	DefaultCapacityProviderStrategy   []strategyItem  `json:"defaultCapacityProviderStrategy"`
	ServiceConnectDefaults            json.RawMessage `json:"serviceConnectDefaults,omitempty"`
}

func (s *Service) clusterOutput(tx *core.Tx, c cluster) clusterOutput {
	out := clusterOutput{
		ClusterARN: c.arn(), ClusterName: c.Name, Configuration: c.Configuration, Status: c.Status, Statistics: []nameValue{},
		Tags: fromTags(c.Tags), Settings: c.Settings, CapacityProviders: append([]string{}, c.Providers...),
		DefaultCapacityProviderStrategy: append([]strategyItem{}, c.Strategy...), ServiceConnectDefaults: c.ServiceConnect,
	}
	for _, t := range s.tasksOf(tx, c.Region, c.Name) {
		switch {
		case t.Status == statusRunning:
			out.RunningTasksCount++
		case t.starting():
			out.PendingTasksCount++
		}
	}
	for _, v := range s.servicesOf(tx, c.Region, c.Name) {
		if v.Status == active {
			out.ActiveServicesCount++
		}
	}
	return out
}

var clusterName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

type clusterInput struct {
	ClusterName    string          `json:"clusterName"`
	Cluster        string          `json:"cluster"`
	Tags           []tag           `json:"tags"`
	Settings       []nameValue     `json:"settings"`
	Configuration  json.RawMessage `json:"configuration"`
	Providers      []string        `json:"capacityProviders"`
	Strategy       []strategyItem  `json:"defaultCapacityProviderStrategy"`
	ServiceConnect json.RawMessage `json:"serviceConnectDefaults"`
}

type oneCluster struct {
	Cluster clusterOutput `json:"cluster"`
}

func (s *Service) createCluster(_ context.Context, r *core.Request, in clusterInput) (oneCluster, error) {
	if in.ClusterName == "" {
		in.ClusterName = "default"
	}
	if !clusterName.MatchString(in.ClusterName) {
		return oneCluster{}, invalidParameter("Identifier is %s. The cluster name can have letters, digits, hyphens and underscores, at most 255.", in.ClusterName)
	}
	if err := checkProviders(in.Providers); err != nil {
		return oneCluster{}, err
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneCluster, error) {
		c, ok := s.clusters.Get(tx, r.Region, in.ClusterName)
		if !ok || c.Status != active {
			c = cluster{
				Name: in.ClusterName, Region: r.Region, Status: active, Settings: mergeSettings(nil, in.Settings), Configuration: in.Configuration,
				Providers: in.Providers, Strategy: in.Strategy, ServiceConnect: in.ServiceConnect, Tags: toTags(in.Tags), Created: s.env.Clock.Now(),
			}
			s.clusters.Put(tx, r.Region, c.Name, c)
		}
		return oneCluster{s.clusterOutput(tx, c)}, nil
	})
}

func mergeSettings(have, set []nameValue) []nameValue {
	if len(have) == 0 {
		have = []nameValue{{"containerInsights", "disabled"}}
	}
	out := slices.Clone(have)
	for _, v := range set {
		i := slices.IndexFunc(out, func(o nameValue) bool { return o.Name == v.Name })
		if i < 0 {
			out = append(out, v)
		} else {
			out[i] = v
		}
	}
	return out
}

func checkProviders(names []string) error {
	for _, name := range names {
		if name != "FARGATE" && name != "FARGATE_SPOT" {
			return invalidParameter("The specified capacity provider %s was not found: the sandbox has FARGATE and FARGATE_SPOT.", name)
		}
	}
	return nil
}

// cluster finds an active cluster by name or ARN; an empty name is "default".
func (s *Service) cluster(tx *core.Tx, region, nameOrARN string) (cluster, error) {
	if nameOrARN == "" {
		nameOrARN = "default"
	}
	c, ok := s.clusters.Get(tx, region, lastPart(nameOrARN))
	if !ok || c.Status != active {
		return cluster{}, errNoCluster
	}
	return c, nil
}

type describeClustersInput struct {
	Clusters []string `json:"clusters"`
}

type describeClustersOutput struct {
	Clusters []clusterOutput `json:"clusters"`
	Failures []failure       `json:"failures"`
}

func (s *Service) describeClusters(_ context.Context, r *core.Request, in describeClustersInput) (describeClustersOutput, error) {
	if len(in.Clusters) == 0 {
		in.Clusters = []string{"default"}
	}
	return core.Read(s.env.Store, func(tx *core.Tx) (describeClustersOutput, error) {
		out := describeClustersOutput{Clusters: []clusterOutput{}, Failures: []failure{}}
		for _, name := range in.Clusters {
			c, ok := s.clusters.Get(tx, r.Region, lastPart(name))
			if !ok {
				out.Failures = append(out.Failures, failure{arn(r.Region, "cluster/"+lastPart(name)), "MISSING"})
				continue
			}
			out.Clusters = append(out.Clusters, s.clusterOutput(tx, c))
		}
		return out, nil
	})
}

type pageInput struct {
	NextToken  string `json:"nextToken"`
	MaxResults int    `json:"maxResults"`
}

// page cuts a list of ARNs.
func (in pageInput) page(arns []string) ([]string, string, error) {
	if in.MaxResults <= 0 || in.MaxResults > 100 {
		in.MaxResults = 100
	}
	list, next, err := core.Page(arns, func(a string) string { return a }, in.NextToken, in.MaxResults)
	return append([]string{}, list...), next, err
}

type listClustersOutput struct {
	ClusterARNs []string `json:"clusterArns"`
	NextToken   string   `json:"nextToken,omitempty"`
}

func (s *Service) listClusters(_ context.Context, r *core.Request, in pageInput) (listClustersOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (out listClustersOutput, err error) {
		var arns []string
		for _, c := range s.clusters.List(tx, r.Region) {
			if c.Status == active {
				arns = append(arns, c.arn())
			}
		}
		out.ClusterARNs, out.NextToken, err = in.page(arns)
		return out, err
	})
}

func (s *Service) updateCluster(_ context.Context, r *core.Request, in clusterInput) (oneCluster, error) {
	return s.changeCluster(r, in, func(c *cluster) {
		c.Settings = mergeSettings(c.Settings, in.Settings)
		if in.Configuration != nil {
			c.Configuration = in.Configuration
		}
		if in.ServiceConnect != nil {
			c.ServiceConnect = in.ServiceConnect
		}
	})
}

func (s *Service) putClusterCapacityProviders(_ context.Context, r *core.Request, in clusterInput) (oneCluster, error) {
	if err := checkProviders(in.Providers); err != nil {
		return oneCluster{}, err
	}
	return s.changeCluster(r, in, func(c *cluster) { c.Providers, c.Strategy = in.Providers, in.Strategy })
}

func (s *Service) changeCluster(r *core.Request, in clusterInput, change func(c *cluster)) (oneCluster, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (oneCluster, error) {
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return oneCluster{}, err
		}
		change(&c)
		s.clusters.Put(tx, c.Region, c.Name, c)
		return oneCluster{s.clusterOutput(tx, c)}, nil
	})
}

func (s *Service) deleteCluster(_ context.Context, r *core.Request, in clusterInput) (oneCluster, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (oneCluster, error) {
		c, err := s.cluster(tx, r.Region, in.Cluster)
		if err != nil {
			return oneCluster{}, err
		}
		for _, v := range s.servicesOf(tx, c.Region, c.Name) {
			if v.Status != inactive {
				return oneCluster{}, core.Errorf("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
			}
		}
		for _, t := range s.tasksOf(tx, c.Region, c.Name) {
			if t.Status != statusStopped {
				return oneCluster{}, core.Errorf("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
			}
		}
		for _, t := range s.tasksOf(tx, c.Region, c.Name) {
			s.tasks.Delete(tx, t.Region, t.ID)
		}
		// It stays, inactive, because callers wait to see it so.
		c.Status = inactive
		s.clusters.Put(tx, c.Region, c.Name, c)
		return oneCluster{s.clusterOutput(tx, c)}, nil
	})
}

type capacityProvider struct {
	ARN    string `json:"capacityProviderArn"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Tags   []tag  `json:"tags"`
}

type describeCapacityProvidersInput struct {
	Providers []string `json:"capacityProviders"`
}

type describeCapacityProvidersOutput struct {
	Providers []capacityProvider `json:"capacityProviders"`
	Failures  []failure          `json:"failures"`
}

func (s *Service) describeCapacityProviders(_ context.Context, r *core.Request, in describeCapacityProvidersInput) (describeCapacityProvidersOutput, error) {
	known := []string{"FARGATE", "FARGATE_SPOT"}
	if len(in.Providers) == 0 {
		in.Providers = known
	}
	out := describeCapacityProvidersOutput{Providers: []capacityProvider{}, Failures: []failure{}}
	for _, name := range in.Providers {
		name = lastPart(name)
		id := arn(r.Region, "capacity-provider/"+name)
		if !slices.Contains(known, name) {
			out.Failures = append(out.Failures, failure{id, "MISSING"})
			continue
		}
		out.Providers = append(out.Providers, capacityProvider{ARN: id, Name: name, Status: active, Tags: []tag{}})
	}
	return out, nil
}

type containerInstancesOutput struct {
	ARNs []string `json:"containerInstanceArns"`
}

// The sandbox has Fargate only, so there are never container instances.
func (s *Service) listContainerInstances(_ context.Context, r *core.Request, in clusterInput) (containerInstancesOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (containerInstancesOutput, error) {
		_, err := s.cluster(tx, r.Region, in.Cluster)
		return containerInstancesOutput{ARNs: []string{}}, err
	})
}
