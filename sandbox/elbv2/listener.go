package elbv2

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/sandbox/core"
)

type listener struct {
	ARN, Region  string
	Balancer     string
	Port         int
	Protocol     string
	SSLPolicy    string
	ALPN         []string
	Certificates []string // the first is the default one
	Actions      []action
	DefaultRule  string // ARN
	Attributes   map[string]string
	Tags         core.Tags
}

type certificateOutput struct {
	CertificateArn string
	IsDefault      *bool `xml:",omitempty"`
}

type listenerOutput struct {
	ListenerArn     string
	LoadBalancerArn string
	Port            int
	Protocol        string
	Certificates    core.Members[certificateOutput]
	SslPolicy       string `xml:",omitempty"`
	DefaultActions  core.Members[actionOutput]
	AlpnPolicy      core.Members[string]
}

type listenersOutput struct {
	Listeners  core.Members[listenerOutput]
	NextMarker string `xml:",omitempty"`
}

func (l listener) output() listenerOutput {
	out := listenerOutput{
		ListenerArn: l.ARN, LoadBalancerArn: l.Balancer, Port: l.Port, Protocol: l.Protocol, SslPolicy: l.SSLPolicy,
		DefaultActions: actionOutputs(l.Actions), AlpnPolicy: l.ALPN,
	}
	if len(l.Certificates) > 0 {
		out.Certificates = core.Members[certificateOutput]{{CertificateArn: l.Certificates[0]}}
	}
	return out
}

func (s *Service) listenersOf(tx *core.Tx, balancer string) []listener {
	return slices.DeleteFunc(s.listeners.List(tx, regionOf(balancer)), func(l listener) bool { return l.Balancer != balancer })
}

func (s *Service) listener(tx *core.Tx, arn string) (listener, error) {
	l, ok := s.listeners.Get(tx, regionOf(arn), arn)
	if !ok {
		return l, core.Errorf("ListenerNotFound", "Listener '%s' not found", arn)
	}
	return l, nil
}

func (s *Service) createListener(ctx context.Context, r *core.Request) (any, error) {
	l, err := core.Write(s.env.Store, func(tx *core.Tx) (listener, error) {
		lb, err := s.balancer(tx, r.Form.Get("LoadBalancerArn"))
		if err != nil {
			return listener{}, err
		}
		id := strings.TrimPrefix(resourceOf(lb.ARN), "loadbalancer/") + "/" + core.Hex(16)
		l := listener{
			ARN: arn(lb.Region, "listener/"+id), Region: lb.Region, Balancer: lb.ARN, DefaultRule: arn(lb.Region, "listener-rule/"+id+"/"+core.Hex(16)),
			Tags: r.Form.Tags("Tags"), Attributes: map[string]string{},
		}
		if lb.Type == "network" {
			l.Attributes["tcp.idle_timeout.seconds"] = "350"
		}
		if err := s.mergeListener(tx, &l, lb, r.Form); err != nil {
			return l, err
		}
		if len(l.Actions) == 0 {
			return l, invalid("A listener must have a default action")
		}
		s.listeners.Put(tx, l.Region, l.ARN, l)
		return l, nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.apply(ctx, l.Balancer); err != nil {
		// A listener that cannot listen must not stay.
		undo := s.env.Store.Update(func(tx *core.Tx) error { s.removeListener(tx, l); return nil })
		return nil, cannotListen(l, err, undo)
	}
	return listenersOutput{Listeners: core.Members[listenerOutput]{l.output()}}, nil
}

func cannotListen(l listener, err, undo error) error {
	if undo != nil {
		return undo
	}
	return core.Errorf("OperationNotPermitted", "The sandbox cannot listen on port %d for this load balancer: %v", l.Port, err)
}

// mergeListener applies the parameters that creating and modifying share.
func (s *Service) mergeListener(tx *core.Tx, l *listener, lb loadBalancer, f core.Form) error {
	var err error
	if l.Port, err = f.Int("Port", l.Port); err != nil {
		return err
	}
	if f.Has("Protocol") {
		l.Protocol = f.Get("Protocol")
	}
	allowed := []string{"HTTP", "HTTPS"}
	if lb.Type == "network" {
		allowed = []string{"TCP", "TLS", "UDP", "TCP_UDP"}
	}
	if !slices.Contains(allowed, l.Protocol) {
		return invalid("Protocol '%s' must be one of '%s'", l.Protocol, strings.Join(allowed, ", "))
	}
	if l.Port < 1 || l.Port > 65535 {
		return invalid("A listener's port must be from 1 to 65535")
	}
	if slices.ContainsFunc(s.listenersOf(tx, lb.ARN), func(o listener) bool { return o.ARN != l.ARN && o.Port == l.Port }) {
		return core.Errorf("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", lb.ARN)
	}
	if f.Has("SslPolicy") {
		l.SSLPolicy = f.Get("SslPolicy")
	}
	if v := f.List("AlpnPolicy"); len(v) > 0 {
		l.ALPN = v
	}
	for i, c := range f.Structs("Certificates") {
		if i == 0 {
			l.Certificates = nil
		}
		l.Certificates = append(l.Certificates, c.Get("CertificateArn"))
	}
	secure := l.Protocol == "HTTPS" || l.Protocol == "TLS"
	switch {
	case secure && len(l.Certificates) == 0:
		return core.Errorf("CertificateNotFound", "A certificate must be specified for %s listeners", l.Protocol)
	case secure && l.SSLPolicy == "":
		l.SSLPolicy = "ELBSecurityPolicy-2016-08"
	case !secure:
		l.SSLPolicy, l.Certificates = "", nil
	}
	if actions := f.Structs("DefaultActions"); len(actions) > 0 {
		l.Actions, err = s.readActions(tx, actions, lb)
	}
	return err
}

func (s *Service) describeListeners(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		arns, lb := r.Form.List("ListenerArns"), r.Form.Get("LoadBalancerArn")
		var found []listener
		for _, id := range arns {
			l, err := s.listener(tx, id)
			if err != nil {
				return nil, core.Errorf("ListenerNotFound", "One or more listeners not found")
			}
			found = append(found, l)
		}
		if lb != "" {
			if _, err := s.balancer(tx, lb); err != nil {
				return nil, err
			}
			found = append(found, s.listenersOf(tx, lb)...)
		}
		if lb == "" && len(arns) == 0 {
			return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
		}
		page, next, err := paged(r, found, func(l listener) string { return l.ARN })
		out := listenersOutput{NextMarker: next}
		for _, l := range page {
			out.Listeners = append(out.Listeners, l.output())
		}
		return out, err
	})
}

func (s *Service) modifyListener(ctx context.Context, r *core.Request) (any, error) {
	var before listener
	l, err := core.Write(s.env.Store, func(tx *core.Tx) (listener, error) {
		l, err := s.listener(tx, r.Form.Get("ListenerArn"))
		if err != nil {
			return l, err
		}
		before = l
		lb, err := s.balancer(tx, l.Balancer)
		if err != nil {
			return l, err
		}
		if err := s.mergeListener(tx, &l, lb, r.Form); err != nil {
			return l, err
		}
		s.listeners.Put(tx, l.Region, l.ARN, l)
		return l, nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.apply(ctx, l.Balancer); err != nil {
		undo := s.env.Store.Update(func(tx *core.Tx) error { s.listeners.Put(tx, before.Region, before.ARN, before); return nil })
		return nil, cannotListen(l, err, undo)
	}
	return listenersOutput{Listeners: core.Members[listenerOutput]{l.output()}}, nil
}

func (s *Service) deleteListener(ctx context.Context, r *core.Request) (any, error) {
	balancer, err := core.Write(s.env.Store, func(tx *core.Tx) (string, error) {
		l, err := s.listener(tx, r.Form.Get("ListenerArn"))
		if err == nil {
			s.removeListener(tx, l)
		}
		return l.Balancer, err
	})
	if err != nil {
		return nil, err
	}
	return nil, s.apply(ctx, balancer)
}

func (s *Service) removeListener(tx *core.Tx, l listener) {
	for _, rl := range s.rulesOf(tx, l.ARN) {
		s.rules.Delete(tx, l.Region, rl.ARN)
	}
	s.listeners.Delete(tx, l.Region, l.ARN)
}

func (s *Service) describeListenerAttributes(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		l, err := s.listener(tx, r.Form.Get("ListenerArn"))
		return attributes(l.Attributes), err
	})
}

func (s *Service) modifyListenerAttributes(_ context.Context, r *core.Request) (any, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (any, error) {
		l, err := s.listener(tx, r.Form.Get("ListenerArn"))
		if err != nil {
			return nil, err
		}
		values := maps.Clone(l.Attributes)
		for _, a := range r.Form.Structs("Attributes") {
			values[a.Get("Key")] = a.Get("Value")
		}
		l.Attributes = values
		s.listeners.Put(tx, l.Region, l.ARN, l)
		return attributes(l.Attributes), nil
	})
}

type certificatesOutput struct {
	Certificates core.Members[certificateOutput]
}

func certificates(l listener) certificatesOutput {
	var out certificatesOutput
	for i, c := range l.Certificates {
		isDefault := i == 0
		out.Certificates = append(out.Certificates, certificateOutput{CertificateArn: c, IsDefault: &isDefault})
	}
	return out
}

func (s *Service) describeListenerCertificates(_ context.Context, r *core.Request) (any, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		l, err := s.listener(tx, r.Form.Get("ListenerArn"))
		return certificates(l), err
	})
}

func (s *Service) changeCertificates(r *core.Request, change func(list []string, arn string) []string) (any, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (any, error) {
		l, err := s.listener(tx, r.Form.Get("ListenerArn"))
		if err != nil {
			return nil, err
		}
		for _, c := range r.Form.Structs("Certificates") {
			l.Certificates = change(l.Certificates, c.Get("CertificateArn"))
		}
		s.listeners.Put(tx, l.Region, l.ARN, l)
		return certificates(l), nil
	})
}

func (s *Service) addListenerCertificates(_ context.Context, r *core.Request) (any, error) {
	return s.changeCertificates(r, func(list []string, arn string) []string {
		if slices.Contains(list, arn) {
			return list
		}
		return append(list, arn)
	})
}

func (s *Service) removeListenerCertificates(_ context.Context, r *core.Request) (any, error) {
	return s.changeCertificates(r, func(list []string, arn string) []string {
		if len(list) > 0 && list[0] == arn {
			return list // the default certificate changes with ModifyListener
		}
		return slices.DeleteFunc(list, func(c string) bool { return c == arn })
	})
}

func priority(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 50000 {
		return 0, invalid("Rule priority '%s' must be a number from 1 to 50000", text)
	}
	return n, nil
}
