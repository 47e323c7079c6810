package ecs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

// definition is a task definition in the API's own shape. Parts that the
// sandbox only hands back stay as they came.
type definition struct {
	ARN                     string           `json:"taskDefinitionArn"`
	Containers              []map[string]any `json:"containerDefinitions"`
	Family                  string           `json:"family"`
	TaskRoleARN             string           `json:"taskRoleArn,omitempty"`
	ExecutionRoleARN        string           `json:"executionRoleArn,omitempty"`
	NetworkMode             string           `json:"networkMode,omitempty"`
	Revision                int              `json:"revision"`
	Volumes                 []map[string]any `json:"volumes"`
	Status                  string           `json:"status"`
	RequiresAttributes      []map[string]any `json:"requiresAttributes"`
	PlacementConstraints    []map[string]any `json:"placementConstraints"`
	Compatibilities         []string         `json:"compatibilities"`
	RequiresCompatibilities []string         `json:"requiresCompatibilities"`
	RuntimePlatform         json.RawMessage  `json:"runtimePlatform,omitempty"`
	CPU                     string           `json:"cpu,omitempty"`
	Memory                  string           `json:"memory,omitempty"`
	PIDMode                 string           `json:"pidMode,omitempty"`
	IPCMode                 string           `json:"ipcMode,omitempty"`
	Proxy                   json.RawMessage  `json:"proxyConfiguration,omitempty"`
	EphemeralStorage        json.RawMessage  `json:"ephemeralStorage,omitempty"`
	RegisteredAt            *core.Timestamp  `json:"registeredAt,omitempty"`
	DeregisteredAt          *core.Timestamp  `json:"deregisteredAt,omitempty"`
	RegisteredBy            string           `json:"registeredBy,omitempty"`
}

// container is what the sandbox uses of a container definition.
type container struct {
	Name             string      `json:"name"`
	Image            string      `json:"image"`
	Essential        *bool       `json:"essential"`
	CPU              int         `json:"cpu"`
	Memory           int         `json:"memory"`
	Command          []string    `json:"command"`
	EntryPoint       []string    `json:"entryPoint"`
	Environment      []nameValue `json:"environment"`
	WorkingDirectory string      `json:"workingDirectory"`
	User             string      `json:"user"`
	Hostname         string      `json:"hostname"`
	ReadonlyRoot     bool        `json:"readonlyRootFilesystem"`
	Privileged       bool        `json:"privileged"`
	StopTimeout      *int        `json:"stopTimeout"`
	Ports            []struct {
		ContainerPort int    `json:"containerPort"`
		HostPort      *int   `json:"hostPort"`
		Protocol      string `json:"protocol"`
	} `json:"portMappings"`
	Log *struct {
		Driver  string            `json:"logDriver"`
		Options map[string]string `json:"options"`
	} `json:"logConfiguration"`
	DependsOn []struct {
		Container string `json:"containerName"`
		Condition string `json:"condition"`
	} `json:"dependsOn"`
}

func (c container) essential() bool { return c.Essential == nil || *c.Essential }

// containers reads the typed view of the container definitions.
func (d definition) containers() ([]container, error) {
	raw, err := json.Marshal(d.Containers)
	if err != nil {
		return nil, err
	}
	var out []container
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, clientError("The container definitions are not valid: %v", err)
	}
	return out, nil
}

func (d definition) shortName() string { return d.Family + ":" + strconv.Itoa(d.Revision) }

var familyName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// check refuses what ECS would refuse, and fills in what ECS fills in.
func (d *definition) check() error {
	if !familyName.MatchString(d.Family) {
		return clientError("Family should not be null or blank, and can have at most 255 letters, digits, hyphens and underscores.")
	}
	containers, err := d.containers()
	if err != nil {
		return err
	}
	if len(containers) == 0 {
		return clientError("TaskDefinition is missing containers: Container definitions should not be null or empty.")
	}
	if !slices.ContainsFunc(containers, container.essential) {
		return clientError("Invalid setting for container. At least one container must be essential.")
	}
	for i, c := range containers {
		if !familyName.MatchString(c.Name) {
			return clientError("Invalid 'containerDefinitions[%d].name' setting: the name '%s' can have at most 255 letters, digits, hyphens and underscores.", i, c.Name)
		}
		if strings.TrimSpace(c.Image) == "" {
			return clientError("Container.image should not be null or empty.")
		}
		if slices.ContainsFunc(containers[:i], func(o container) bool { return o.Name == c.Name }) {
			return clientError("Container.name contains duplicate container name '%s'.", c.Name)
		}
		if err := d.checkPorts(c); err != nil {
			return err
		}
	}
	if slices.Contains(d.RequiresCompatibilities, "FARGATE") {
		if err := d.checkFargate(containers); err != nil {
			return err
		}
	}
	d.fill()
	return nil
}

func (d *definition) checkPorts(c container) error {
	for _, p := range c.Ports {
		if p.ContainerPort < 1 || p.ContainerPort > 65535 {
			return clientError("Invalid 'containerPort' setting for container '%s': %d is not between 1 and 65535.", c.Name, p.ContainerPort)
		}
		if d.NetworkMode == "awsvpc" && p.HostPort != nil && *p.HostPort != 0 && *p.HostPort != p.ContainerPort {
			return clientError("When networkMode=awsvpc, the host ports and container ports in port mappings must match.")
		}
	}
	return nil
}

func (d *definition) checkFargate(containers []container) error {
	if d.NetworkMode != "awsvpc" {
		return clientError("Fargate only supports network mode 'awsvpc'.")
	}
	cpu, memory := units(d.CPU, "vcpu"), units(d.Memory, "gb")
	if cpu == 0 {
		return clientError("Fargate requires that 'cpu' be defined at the task level.")
	}
	if memory == 0 {
		return clientError("Fargate requires that 'memory' be defined at the task level.")
	}
	if !fargateSize(cpu, memory) {
		return clientError("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid values.", cpu, memory)
	}
	d.CPU, d.Memory = strconv.Itoa(cpu), strconv.Itoa(memory)
	for _, c := range containers {
		if c.Privileged {
			return clientError("Fargate does not support privileged containers (container '%s').", c.Name)
		}
		if c.Memory > memory {
			return clientError("Invalid setting for container '%s'. The memory of the container, %d MiB, is more than the task's, %d MiB.", c.Name, c.Memory, memory)
		}
		if c.Log != nil && c.Log.Driver == "awslogs" && d.ExecutionRoleARN == "" {
			return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
		}
	}
	for _, v := range d.Volumes {
		if host, ok := v["host"].(map[string]any); ok && host["sourcePath"] != nil {
			return clientError("Fargate does not support volumes of the host (volume '%v').", v["name"])
		}
	}
	return nil
}

// units reads "256", "1 vCPU" or "2 GB" as units or MiB; zero when it is neither.
func units(text, unit string) int {
	text = strings.ToLower(strings.TrimSpace(text))
	if number, ok := strings.CutSuffix(text, unit); ok {
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil {
			return 0
		}
		return int(v * 1024)
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return v
}

// fargateSize reports whether Fargate has tasks of this size.
func fargateSize(cpu, memory int) bool {
	between := func(low, high, step int) bool { return memory >= low && memory <= high && memory%step == 0 }
	switch cpu {
	case 256:
		return memory == 512 || memory == 1024 || memory == 2048
	case 512:
		return between(1024, 4096, 1024)
	case 1024:
		return between(2048, 8192, 1024)
	case 2048:
		return between(4096, 16384, 1024)
	case 4096:
		return between(8192, 30720, 1024)
	case 8192:
		return between(16384, 61440, 4096)
	case 16384:
		return between(32768, 122880, 8192)
	default:
		return false
	}
}

// fill adds the members that ECS adds to what it was given.
func (d *definition) fill() {
	for _, c := range d.Containers {
		for _, key := range []string{"environment", "mountPoints", "volumesFrom", "portMappings", "systemControls"} {
			if c[key] == nil {
				c[key] = []any{}
			}
		}
		if c["cpu"] == nil {
			c["cpu"] = 0
		}
		if c["essential"] == nil {
			c["essential"] = true
		}
		ports, _ := c["portMappings"].([]any)
		for _, v := range ports {
			p, ok := v.(map[string]any)
			if !ok {
				continue
			}
			if p["hostPort"] == nil || fmt.Sprint(p["hostPort"]) == "0" {
				p["hostPort"] = p["containerPort"]
			}
			if p["protocol"] == nil {
				p["protocol"] = "tcp"
			}
		}
	}
	d.Compatibilities = []string{"EC2"}
	if d.NetworkMode == "awsvpc" {
		d.Compatibilities = append(d.Compatibilities, "FARGATE")
	}
	d.Volumes = append([]map[string]any{}, d.Volumes...)
	d.PlacementConstraints = append([]map[string]any{}, d.PlacementConstraints...)
	d.RequiresAttributes = []map[string]any{}
}
