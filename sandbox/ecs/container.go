package ecs

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
)

// apply lays a task's overrides over its containers.
func (o overrides) apply(containers []container) []container {
	out := slices.Clone(containers)
	for _, v := range o.Containers {
		for i := range out {
			if out[i].Name != v.Name {
				continue
			}
			if v.Command != nil {
				out[i].Command = v.Command
			}
			out[i].Environment = append(slices.Clone(out[i].Environment), v.Environment...)
		}
	}
	return out
}

// startOrder lists containers so that each comes after those it depends on.
func startOrder(containers []container) []int {
	var order []int
	visited := make([]bool, len(containers))
	var visit func(i int)
	visit = func(i int) {
		if visited[i] {
			return
		}
		visited[i] = true
		for _, d := range containers[i].DependsOn {
			if j := slices.IndexFunc(containers, func(c container) bool { return c.Name == d.Container }); j >= 0 {
				visit(j)
			}
		}
		order = append(order, i)
	}
	for i := range containers {
		visit(i)
	}
	return order
}

func containerSpec(t task, d definition, c container) dataplane.ContainerSpec {
	spec := dataplane.ContainerSpec{
		TaskID: t.ID, Name: c.Name, Image: c.Image, Entrypoint: c.EntryPoint, Command: c.Command, WorkingDir: c.WorkingDirectory, User: c.User,
		Hostname: c.Hostname, CPUUnits: c.CPU, MemoryMiB: c.Memory, ReadonlyRootfs: c.ReadonlyRoot, Privileged: c.Privileged,
		Env: map[string]string{
			"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_REGION": t.Region, "AWS_DEFAULT_REGION": t.Region,
		},
		Labels: map[string]string{
			"com.amazonaws.ecs.task-arn": t.arn(), "com.amazonaws.ecs.cluster": t.Cluster, "com.amazonaws.ecs.container-name": c.Name,
			"com.amazonaws.ecs.task-definition-family": d.Family, "com.amazonaws.ecs.task-definition-version": strconv.Itoa(d.Revision),
		},
	}
	if spec.Hostname == "" {
		spec.Hostname = "ip-" + strings.ReplaceAll(t.IP, ".", "-")
	}
	// A container without a size of its own may use the task's.
	if spec.CPUUnits == 0 {
		spec.CPUUnits = units(t.CPU, "vcpu")
	}
	if spec.MemoryMiB == 0 {
		spec.MemoryMiB = units(t.Memory, "gb")
	}
	for _, v := range c.Environment {
		spec.Env[v.Name] = v.Value
	}
	for _, p := range c.Ports {
		spec.Ports = append(spec.Ports, dataplane.Port{Number: p.ContainerPort, Protocol: p.Protocol})
	}
	return spec
}

// awslogs reads where a container's output goes; ok is false for another driver.
func (c container) awslogs(t task) (region, group, stream string, create, ok bool) {
	if c.Log == nil || c.Log.Driver != "awslogs" {
		return "", "", "", false, false
	}
	o := c.Log.Options
	region, stream = o["awslogs-region"], c.Name+"/"+t.ID
	if region == "" {
		region = t.Region
	}
	if prefix := o["awslogs-stream-prefix"]; prefix != "" {
		stream = prefix + "/" + stream
	}
	return region, o["awslogs-group"], stream, o["awslogs-create-group"] == "true", true
}

// checkLogGroups refuses a task whose log group is missing, as Fargate does.
func (k *keeper) checkLogGroups(t task, containers []container) error {
	for _, c := range containers {
		region, group, stream, create, ok := c.awslogs(t)
		if !ok {
			continue
		}
		exists := false
		err := k.s.env.Store.View(func(tx *core.Tx) error {
			exists = k.s.deps.Logs.GroupExists(tx, region, group)
			return nil
		})
		if err != nil {
			return err
		}
		if !exists && !create {
			return &startProblem{c.Name, "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."}
		}
		if err := k.s.deps.Logs.Write(region, group, stream, nil, create); err != nil {
			return err
		}
	}
	return nil
}
