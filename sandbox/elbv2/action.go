package elbv2

import (
	"slices"
	"strconv"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane"
)

// action is what a rule or a listener does with a request.
type action struct {
	Type     string
	Order    int
	Groups   []weighted
	Sticky   bool
	Duration int
	Redirect *redirectOutput
	Fixed    *fixedOutput
}

type weighted struct {
	TargetGroupArn string
	Weight         int
}

type redirectOutput struct {
	Protocol   string
	Port       string
	Host       string
	Path       string
	Query      string
	StatusCode string
}

type fixedOutput struct {
	MessageBody string
	StatusCode  string
	ContentType string
}

type stickinessOutput struct {
	Enabled         bool
	DurationSeconds int `xml:",omitempty"`
}

type forwardOutput struct {
	TargetGroups                core.Members[weighted]
	TargetGroupStickinessConfig stickinessOutput
}

type actionOutput struct {
	Type                string
	Order               int             `xml:",omitempty"`
	TargetGroupArn      string          `xml:",omitempty"`
	ForwardConfig       *forwardOutput  `xml:",omitempty"`
	RedirectConfig      *redirectOutput `xml:",omitempty"`
	FixedResponseConfig *fixedOutput    `xml:",omitempty"`
}

func actionOutputs(list []action) core.Members[actionOutput] {
	var out core.Members[actionOutput]
	for _, a := range list {
		o := actionOutput{Type: a.Type, RedirectConfig: a.Redirect, FixedResponseConfig: a.Fixed}
		// The only action of a rule carries no order, as on AWS.
		if len(list) > 1 || a.Order > 1 {
			o.Order = a.Order
		}
		if a.Type == "forward" {
			if len(a.Groups) == 1 {
				o.TargetGroupArn = a.Groups[0].TargetGroupArn
			}
			o.ForwardConfig = &forwardOutput{a.Groups, stickinessOutput{a.Sticky, a.Duration}}
		}
		out = append(out, o)
	}
	return out
}

func usesGroup(list []action, group string) bool {
	return slices.ContainsFunc(list, func(a action) bool {
		return slices.ContainsFunc(a.Groups, func(w weighted) bool { return w.TargetGroupArn == group })
	})
}

// readActions reads and checks the actions of a listener or a rule.
func (s *Service) readActions(tx *core.Tx, forms []core.Form, lb loadBalancer) ([]action, error) {
	var out []action
	for i, f := range forms {
		a, err := readAction(f)
		if err != nil {
			return nil, err
		}
		if a.Order == 0 {
			a.Order = i + 1
		}
		for _, w := range a.Groups {
			if err := s.checkForward(tx, w.TargetGroupArn, lb); err != nil {
				return nil, err
			}
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b action) int { return a.Order - b.Order })
	return out, nil
}

func (s *Service) checkForward(tx *core.Tx, group string, lb loadBalancer) error {
	g, err := s.group(tx, group)
	if err != nil {
		return err
	}
	web := g.Protocol == "HTTP" || g.Protocol == "HTTPS"
	if web != (lb.Type == "application") {
		return core.Errorf("InvalidLoadBalancerAction", "Target group '%s' with protocol %s cannot be used by a load balancer of type %s", group, g.Protocol, lb.Type)
	}
	if g.VPC != lb.VPC {
		return core.Errorf("InvalidConfigurationRequest", "The following target groups are in a different VPC than load balancer '%s': %s", lb.ARN, group)
	}
	for _, other := range s.balancersOf(tx, group) {
		if other != lb.ARN {
			return core.Errorf("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", group)
		}
	}
	return nil
}

func readAction(f core.Form) (action, error) {
	a := action{Type: f.Get("Type")}
	var err error
	if a.Order, err = f.Int("Order", 0); err != nil {
		return a, err
	}
	switch a.Type {
	case "forward":
		return a, readForward(f, &a)
	case "redirect":
		c := f.Sub("RedirectConfig")
		a.Redirect = &redirectOutput{
			Protocol: or(c.Get("Protocol"), "#{protocol}"), Port: or(c.Get("Port"), "#{port}"), Host: or(c.Get("Host"), "#{host}"),
			Path: or(c.Get("Path"), "/#{path}"), Query: or(c.Get("Query"), "#{query}"), StatusCode: c.Get("StatusCode"),
		}
		if a.Redirect.StatusCode != "HTTP_301" && a.Redirect.StatusCode != "HTTP_302" {
			return a, invalid("The redirect status code must be HTTP_301 or HTTP_302")
		}
	case "fixed-response":
		c := f.Sub("FixedResponseConfig")
		a.Fixed = &fixedOutput{MessageBody: c.Get("MessageBody"), StatusCode: c.Get("StatusCode"), ContentType: or(c.Get("ContentType"), "text/plain")}
		if code, err := strconv.Atoi(a.Fixed.StatusCode); err != nil || code < 200 || code > 599 {
			return a, invalid("The fixed response status code '%s' must be 2XX, 4XX or 5XX", a.Fixed.StatusCode)
		}
	default:
		return a, core.Errorf("InvalidLoadBalancerAction", "The sandbox's load balancers do forward, redirect and fixed-response, not '%s'.", a.Type)
	}
	return a, nil
}

func readForward(f core.Form, a *action) error {
	for _, g := range f.Structs("ForwardConfig.TargetGroups") {
		weight, err := g.Int("Weight", 1)
		if err != nil {
			return err
		}
		a.Groups = append(a.Groups, weighted{g.Get("TargetGroupArn"), weight})
	}
	if len(a.Groups) == 0 && f.Get("TargetGroupArn") != "" {
		a.Groups = []weighted{{f.Get("TargetGroupArn"), 1}}
	}
	if len(a.Groups) == 0 {
		return invalid("A target group ARN must be specified for a forward action")
	}
	a.Sticky = f.Bool("ForwardConfig.TargetGroupStickinessConfig.Enabled")
	var err error
	a.Duration, err = f.Int("ForwardConfig.TargetGroupStickinessConfig.DurationSeconds", 0)
	return err
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// plane translates the last action, which decides; the ones before it only
// authenticate, and the sandbox has none of those.
func planeAction(list []action) dataplane.Action {
	if len(list) == 0 {
		return dataplane.Action{Fixed: &dataplane.FixedResponse{StatusCode: 503}}
	}
	a := list[len(list)-1]
	var out dataplane.Action
	switch {
	case a.Redirect != nil:
		code := 302
		if a.Redirect.StatusCode == "HTTP_301" {
			code = 301
		}
		out.Redirect = &dataplane.Redirect{
			Protocol: a.Redirect.Protocol, Host: a.Redirect.Host, Port: a.Redirect.Port, Path: a.Redirect.Path, Query: a.Redirect.Query, StatusCode: code,
		}
	case a.Fixed != nil:
		code, _ := strconv.Atoi(a.Fixed.StatusCode) // checked when it was read
		out.Fixed = &dataplane.FixedResponse{StatusCode: code, ContentType: a.Fixed.ContentType, Body: a.Fixed.MessageBody}
	default:
		for _, w := range a.Groups {
			out.Forward = append(out.Forward, dataplane.WeightedGroup{TargetGroupID: w.TargetGroupArn, Weight: w.Weight})
		}
	}
	return out
}
