package elbv2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

type rule struct {
	ARN, Region string
	Listener    string
	Priority    int
	Conditions  []condition
	Actions     []action
	Tags        core.Tags
}

type condition struct {
	Field  string
	Header string   // of http-header
	Values []string // of query-string: key=value, or value alone
}

type valuesOutput struct{ Values core.Members[string] }

type headerOutput struct {
	HttpHeaderName string
	Values         core.Members[string]
}

type pair struct {
	Key   string `xml:",omitempty"`
	Value string
}

type queryOutput struct{ Values core.Members[pair] }

type conditionOutput struct {
	Field                   string
	Values                  core.Members[string]
	HostHeaderConfig        *valuesOutput `xml:",omitempty"`
	PathPatternConfig       *valuesOutput `xml:",omitempty"`
	HttpHeaderConfig        *headerOutput `xml:",omitempty"`
	HttpRequestMethodConfig *valuesOutput `xml:",omitempty"`
	SourceIpConfig          *valuesOutput `xml:",omitempty"`
	QueryStringConfig       *queryOutput  `xml:",omitempty"`
}

type ruleOutput struct {
	RuleArn    string
	Priority   string
	Conditions core.Members[conditionOutput]
	Actions    core.Members[actionOutput]
	IsDefault  bool
}

type rulesOutput struct {
	Rules      core.Members[ruleOutput]
	NextMarker string `xml:",omitempty"`
}

func (rl rule) output() ruleOutput {
	out := ruleOutput{RuleArn: rl.ARN, Priority: strconv.Itoa(rl.Priority), Actions: actionOutputs(rl.Actions)}
	for _, c := range rl.Conditions {
		out.Conditions = append(out.Conditions, c.output())
	}
	return out
}

func (c condition) output() conditionOutput {
	out := conditionOutput{Field: c.Field}
	values := &valuesOutput{c.Values}
	switch c.Field {
	case "host-header":
		out.Values, out.HostHeaderConfig = c.Values, values
	case "path-pattern":
		out.Values, out.PathPatternConfig = c.Values, values
	case "http-header":
		out.HttpHeaderConfig = &headerOutput{c.Header, c.Values}
	case "http-request-method":
		out.HttpRequestMethodConfig = values
	case "source-ip":
		out.SourceIpConfig = values
	case "query-string":
		out.QueryStringConfig = &queryOutput{}
		for _, v := range c.Values {
			key, value, ok := strings.Cut(v, "=")
			if !ok {
				key, value = "", v
			}
			out.QueryStringConfig.Values = append(out.QueryStringConfig.Values, pair{key, value})
		}
	}
	return out
}

func defaultRule(l listener) ruleOutput {
	return ruleOutput{RuleArn: l.DefaultRule, Priority: "default", Actions: actionOutputs(l.Actions), IsDefault: true}
}

func readConditions(forms []core.Form) ([]condition, error) {
	var out []condition
	for _, f := range forms {
		c := condition{Field: f.Get("Field"), Header: f.Get("HttpHeaderConfig.HttpHeaderName")}
		config, ok := map[string]string{
			"host-header": "HostHeaderConfig", "path-pattern": "PathPatternConfig", "http-header": "HttpHeaderConfig",
			"http-request-method": "HttpRequestMethodConfig", "source-ip": "SourceIpConfig", "query-string": "QueryStringConfig",
		}[c.Field]
		if !ok {
			return nil, invalid("Condition field '%s' must be one of '[http-request-method, host-header, http-header, path-pattern, query-string, source-ip]'", c.Field)
		}
		if c.Field == "query-string" {
			for _, v := range f.Structs(config + ".Values") {
				value := v.Get("Value")
				if v.Get("Key") != "" {
					value = v.Get("Key") + "=" + value
				}
				c.Values = append(c.Values, value)
			}
		} else if c.Values = f.List(config + ".Values"); len(c.Values) == 0 {
			c.Values = f.List("Values")
		}
		if len(c.Values) == 0 {
			return nil, invalid("A condition value must be specified")
		}
		out = append(out, c)
	}
	return out, nil
}

func (s *Service) rulesOf(tx *core.Tx, listenerARN string) []rule {
	list := slices.DeleteFunc(s.rules.List(tx, regionOf(listenerARN)), func(rl rule) bool { return rl.Listener != listenerARN })
	slices.SortFunc(list, func(a, b rule) int { return a.Priority - b.Priority })
	return list
}

func (s *Service) rule(tx *core.Tx, arn string) (rule, error) {
	rl, ok := s.rules.Get(tx, regionOf(arn), arn)
	if ok {
		return rl, nil
	}
	for _, l := range s.listeners.List(tx, regionOf(arn)) {
		if l.DefaultRule == arn {
			return rl, core.Errorf("OperationNotPermitted", "Default rule '%s' cannot be modified", arn)
		}
	}
	return rl, core.Errorf("RuleNotFound", "One or more rules not found")
}

func (s *Service) priorityFree(tx *core.Tx, listenerARN string, n int, except ...string) error {
	for _, rl := range s.rulesOf(tx, listenerARN) {
		if rl.Priority == n && !slices.Contains(except, rl.ARN) {
			return core.Errorf("PriorityInUse", "Priority '%d' is currently in use", n)
		}
	}
	return nil
}

// changeRule writes a rule and then tells the data plane.
func (s *Service) changeRule(ctx context.Context, change func(tx *core.Tx) (rule, error)) (any, error) {
	var balancer string
	rl, err := core.Write(s.env.Store, func(tx *core.Tx) (rule, error) {
		rl, err := change(tx)
		if err != nil {
			return rl, err
		}
		l, err := s.listener(tx, rl.Listener)
		balancer = l.Balancer
		return rl, err
	})
	if err != nil {
		return nil, err
	}
	return rulesOutput{Rules: core.Members[ruleOutput]{rl.output()}}, s.apply(ctx, balancer)
}

func (s *Service) mergeRule(tx *core.Tx, rl *rule, f core.Form) error {
	l, err := s.listener(tx, rl.Listener)
	if err != nil {
		return err
	}
	lb, err := s.balancer(tx, l.Balancer)
	if err != nil {
		return err
	}
	if forms := f.Structs("Conditions"); len(forms) > 0 {
		if rl.Conditions, err = readConditions(forms); err != nil {
			return err
		}
	}
	if forms := f.Structs("Actions"); len(forms) > 0 {
		rl.Actions, err = s.readActions(tx, forms, lb)
	}
	return err
}

func (s *Service) createRule(ctx context.Context, r *core.Request) (any, error) {
	return s.changeRule(ctx, func(tx *core.Tx) (rule, error) {
		l, err := s.listener(tx, r.Form.Get("ListenerArn"))
		if err != nil {
			return rule{}, err
		}
		id := strings.Replace(resourceOf(l.ARN), "listener/", "listener-rule/", 1) + "/" + core.Hex(16)
		rl := rule{ARN: arn(l.Region, id), Region: l.Region, Listener: l.ARN, Tags: r.Form.Tags("Tags")}
		if rl.Priority, err = priority(r.Form.Get("Priority")); err != nil {
			return rl, err
		}
		if err := s.priorityFree(tx, l.ARN, rl.Priority); err != nil {
			return rl, err
		}
		if err := s.mergeRule(tx, &rl, r.Form); err != nil {
			return rl, err
		}
		s.rules.Put(tx, rl.Region, rl.ARN, rl)
		return rl, nil
	})
}

func (s *Service) modifyRule(ctx context.Context, r *core.Request) (any, error) {
	return s.changeRule(ctx, func(tx *core.Tx) (rule, error) {
		rl, err := s.rule(tx, r.Form.Get("RuleArn"))
		if err != nil {
			return rl, err
		}
		if err := s.mergeRule(tx, &rl, r.Form); err != nil {
			return rl, err
		}
		s.rules.Put(tx, rl.Region, rl.ARN, rl)
		return rl, nil
	})
}

func (s *Service) deleteRule(ctx context.Context, r *core.Request) (any, error) {
	_, err := s.changeRule(ctx, func(tx *core.Tx) (rule, error) {
		rl, err := s.rule(tx, r.Form.Get("RuleArn"))
		if err == nil {
			s.rules.Delete(tx, rl.Region, rl.ARN)
		}
		return rl, err
	})
	return nil, err
}

func (s *Service) setRulePriorities(ctx context.Context, r *core.Request) (any, error) {
	var out rulesOutput
	_, err := s.changeRule(ctx, func(tx *core.Tx) (last rule, err error) {
		var moved []string
		for _, p := range r.Form.Structs("RulePriorities") {
			moved = append(moved, p.Get("RuleArn"))
		}
		for _, p := range r.Form.Structs("RulePriorities") {
			if last, err = s.rule(tx, p.Get("RuleArn")); err != nil {
				return last, err
			}
			if last.Priority, err = priority(p.Get("Priority")); err != nil {
				return last, err
			}
			if err = s.priorityFree(tx, last.Listener, last.Priority, moved...); err != nil {
				return last, err
			}
			s.rules.Put(tx, last.Region, last.ARN, last)
			out.Rules = append(out.Rules, last.output())
		}
		return last, nil
	})
	return out, err
}

func (s *Service) describeRules(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		var found []ruleOutput
		if id := r.Form.Get("ListenerArn"); id != "" {
			l, err := s.listener(tx, id)
			if err != nil {
				return nil, err
			}
			for _, rl := range s.rulesOf(tx, l.ARN) {
				found = append(found, rl.output())
			}
			found = append(found, defaultRule(l))
		}
		for _, id := range r.Form.List("RuleArns") {
			if rl, ok := s.rules.Get(tx, regionOf(id), id); ok {
				found = append(found, rl.output())
				continue
			}
			l, ok := s.listeners.Find(tx, regionOf(id), func(l listener) bool { return l.DefaultRule == id })
			if !ok {
				return nil, core.Errorf("RuleNotFound", "One or more rules not found")
			}
			found = append(found, defaultRule(l))
		}
		return rulesOutput{Rules: found}, nil
	})
}
