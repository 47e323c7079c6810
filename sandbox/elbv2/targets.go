package elbv2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
)

// target is one registration in a target group. Draining ones are no longer
// here: only the data plane knows when they are done.
type target struct {
	Group     string
	IP        string
	Port      int
	Zone      string
	TaskID    string // the task behind the address, for the data plane
	Interface string
}

func (t target) key() string { return t.Group + "|" + t.IP + ":" + strconv.Itoa(t.Port) }

func (t target) plane() dataplane.Target {
	return dataplane.Target{ID: t.IP, Port: t.Port, TaskID: t.TaskID}
}

// Task is a task's place in a target group.
type Task struct {
	TargetGroup string
	IP          string
	Port        int
	TaskID      string
	Interface   string
}

// Register adds a task to its target group. Registering twice does no harm.
func (s *Service) Register(t Task) error {
	return s.register(target{Group: t.TargetGroup, IP: t.IP, Port: t.Port, TaskID: t.TaskID, Interface: t.Interface})
}

func (s *Service) register(list ...target) error {
	if len(list) == 0 {
		return nil
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	group := list[0].Group
	err := s.env.Store.Update(func(tx *core.Tx) error {
		if _, err := s.group(tx, group); err != nil {
			return err
		}
		for _, t := range list {
			s.targets.Put(tx, regionOf(group), t.key(), t)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range list {
		s.plane.RegisterTargets(group, t.plane())
	}
	return nil
}

// Deregister takes a task out of its target group; open connections are let
// finish for as long as the group's deregistration delay says.
func (s *Service) Deregister(t Task) error {
	return s.deregister(target{Group: t.TargetGroup, IP: t.IP, Port: t.Port, TaskID: t.TaskID})
}

func (s *Service) deregister(list ...target) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	var gone []target
	err := s.env.Store.Update(func(tx *core.Tx) error {
		for _, t := range list {
			if known, ok := s.targets.Get(tx, regionOf(t.Group), t.key()); ok {
				gone = append(gone, known)
				s.targets.Delete(tx, regionOf(t.Group), t.key())
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range gone {
		s.plane.DeregisterTargets(t.Group, t.plane())
	}
	return nil
}

// Health is what the load balancer thinks of a task's target; ok is false for
// one that is neither registered nor draining.
func (s *Service) Health(group, ip string, port int) (h dataplane.TargetHealth, ok bool) {
	for _, h := range s.plane.TargetHealth(group) {
		if h.Target.ID == ip && h.Target.Port == port {
			return h, true
		}
	}
	return h, false
}

// GroupInUse reports whether a target group exists, and whether a listener
// sends traffic to it.
func (s *Service) GroupInUse(tx *core.Tx, arn string) (exists, used bool) {
	g, ok := s.groups.Get(tx, regionOf(arn), arn)
	return ok, ok && len(s.balancersOf(tx, g.ARN)) > 0
}

// GroupType is the kind of target a group takes: ip or instance.
func (s *Service) GroupType(tx *core.Tx, arn string) string {
	g, _ := s.groups.Get(tx, regionOf(arn), arn)
	return g.TargetType
}

func (s *Service) targetsOf(tx *core.Tx, group string) []target {
	return slices.DeleteFunc(s.targets.List(tx, regionOf(group)), func(t target) bool { return t.Group != group })
}

// requestedTargets reads the call's Targets; the port is the group's own unless
// a target names another.
func requestedTargets(g targetGroup, f core.Form) ([]target, error) {
	var out []target
	for _, v := range f.Structs("Targets") {
		t := target{Group: g.ARN, IP: v.Get("Id"), Zone: v.Get("AvailabilityZone")}
		var err error
		if t.Port, err = v.Int("Port", g.Port); err != nil {
			return nil, err
		}
		if _, err := netip.ParseAddr(t.IP); g.TargetType == "ip" && err != nil {
			return nil, invalid("The IP address '%s' is not a valid IPv4 address", t.IP)
		}
		out = append(out, t)
	}
	return out, nil
}

func (s *Service) callTargets(r *core.Request) ([]target, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) ([]target, error) {
		g, err := s.group(tx, r.Form.Get("TargetGroupArn"))
		if err != nil {
			return nil, err
		}
		return requestedTargets(g, r.Form)
	})
}

func (s *Service) registerTargets(_ context.Context, r *core.Request) (any, error) {
	list, err := s.callTargets(r)
	if err != nil {
		return nil, err
	}
	return nil, s.register(list...)
}

func (s *Service) deregisterTargets(_ context.Context, r *core.Request) (any, error) {
	list, err := s.callTargets(r)
	if err != nil {
		return nil, err
	}
	return nil, s.deregister(list...)
}

type targetOutput struct {
	Id               string
	Port             int
	AvailabilityZone string `xml:",omitempty"`
}

type healthOutput struct {
	State       string
	Reason      string `xml:",omitempty"`
	Description string `xml:",omitempty"`
}

type targetHealthOutput struct {
	HealthCheckPort string
	Target          targetOutput
	TargetHealth    healthOutput
}

func (s *Service) describeTargetHealth(_ context.Context, r *core.Request) (any, error) {
	var g targetGroup
	var used bool
	asked, err := core.Read(s.env.Store, func(tx *core.Tx) (list []target, err error) {
		if g, err = s.group(tx, r.Form.Get("TargetGroupArn")); err != nil {
			return nil, err
		}
		used = len(s.balancersOf(tx, g.ARN)) > 0
		return requestedTargets(g, r.Form)
	})
	if err != nil {
		return nil, err
	}
	var out struct {
		TargetHealthDescriptions core.Members[targetHealthOutput]
	}
	add := func(ip string, port int, h healthOutput) {
		checkPort := g.Check.Port
		if checkPort == "traffic-port" {
			checkPort = strconv.Itoa(port)
		}
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, targetHealthOutput{checkPort, targetOutput{Id: ip, Port: port}, h})
	}
	known := map[string]bool{}
	for _, h := range s.plane.TargetHealth(g.ARN) {
		t := target{Group: g.ARN, IP: h.Target.ID, Port: h.Target.Port}
		known[t.key()] = true
		if len(asked) > 0 && !slices.ContainsFunc(asked, func(a target) bool { return a.key() == t.key() }) {
			continue
		}
		if !used && h.State != dataplane.HealthState("draining") {
			add(t.IP, t.Port, healthOutput{"unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"})
			continue
		}
		add(t.IP, t.Port, healthOutput{string(h.State), h.Reason, h.Description})
	}
	for _, a := range asked {
		if !known[a.key()] {
			add(a.IP, a.Port, healthOutput{"unused", "Target.NotRegistered", "Target is not registered to the target group"})
		}
	}
	return out, nil
}
