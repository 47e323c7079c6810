package ec2

import (
	"net/netip"
	"slices"

	"github.com/berthdev/berth/sandbox/core"
)

// routeTable says where traffic of its subnets goes.
type routeTable struct {
	ID           string
	VPC          string
	BuiltIn      bool
	Routes       []route
	Associations []tableAssociation
}

type route struct {
	CIDR       string
	CIDR6      string
	PrefixList string
	// Target is the parameter that named the target: GatewayId, NatGatewayId...
	Target string
	ID     string
	Origin string
}

type tableAssociation struct {
	ID      string
	Subnet  string
	Gateway string
	Main    bool
}

func (t routeTable) isMain() bool {
	return slices.ContainsFunc(t.Associations, func(a tableAssociation) bool { return a.Main })
}

func (t *routeTable) dropAssociation(match func(tableAssociation) bool) bool {
	before := len(t.Associations)
	t.Associations = slices.DeleteFunc(t.Associations, match)
	return len(t.Associations) < before
}

func (r route) destination() string { return r.CIDR + r.CIDR6 + r.PrefixList }

func tableKind() kind[routeTable] {
	associations := func(f func(tableAssociation) string) func(*core.Tx, routeTable) []string {
		return func(_ *core.Tx, t routeTable) (out []string) {
			for _, a := range t.Associations {
				out = append(out, f(a))
			}
			return out
		}
	}
	routes := func(f func(route) string) func(*core.Tx, routeTable) []string {
		return func(_ *core.Tx, t routeTable) (out []string) {
			for _, x := range t.Routes {
				out = append(out, f(x))
			}
			return out
		}
	}
	target := func(name string) func(*core.Tx, routeTable) []string {
		return routes(func(r route) string {
			if r.Target == name {
				return r.ID
			}
			return ""
		})
	}
	return kind[routeTable]{
		records: core.NewCollection[routeTable]("ec2", "route-table"),
		param:   "RouteTableId",
		id:      func(v routeTable) string { return v.ID },
		missing: notFound("InvalidRouteTableID.NotFound", "The routeTable ID '%s' does not exist"),
		filters: map[string]func(*core.Tx, routeTable) []string{
			"route-table-id":                         one(func(v routeTable) string { return v.ID }),
			"vpc-id":                                 one(func(v routeTable) string { return v.VPC }),
			"association.route-table-association-id": associations(func(a tableAssociation) string { return a.ID }),
			"association.subnet-id":                  associations(func(a tableAssociation) string { return a.Subnet }),
			"association.gateway-id":                 associations(func(a tableAssociation) string { return a.Gateway }),
			"association.main":                       associations(func(a tableAssociation) string { return boolText(a.Main) }),
			"association.route-table-id":             one(func(v routeTable) string { return v.ID }),
			"route.destination-cidr-block":           routes(func(r route) string { return r.CIDR }),
			"route.destination-ipv6-cidr-block":      routes(func(r route) string { return r.CIDR6 }),
			"route.destination-prefix-list-id":       routes(func(r route) string { return r.PrefixList }),
			"route.gateway-id":                       target("GatewayId"),
			"route.nat-gateway-id":                   target("NatGatewayId"),
			"owner-id":                               owner[routeTable],
		},
	}
}

type routeItem struct {
	CIDR       string `xml:"destinationCidrBlock,omitempty"`
	CIDR6      string `xml:"destinationIpv6CidrBlock,omitempty"`
	PrefixList string `xml:"destinationPrefixListId,omitempty"`
	Gateway    string `xml:"gatewayId,omitempty"`
	NAT        string `xml:"natGatewayId,omitempty"`
	Interface  string `xml:"networkInterfaceId,omitempty"`
	State      string `xml:"state"`
	Origin     string `xml:"origin"`
}

type tableAssociationItem struct {
	ID      string    `xml:"routeTableAssociationId"`
	Table   string    `xml:"routeTableId"`
	Subnet  string    `xml:"subnetId,omitempty"`
	Gateway string    `xml:"gatewayId,omitempty"`
	Main    bool      `xml:"main"`
	State   stateCode `xml:"associationState"`
}

type routeTableItem struct {
	ID           string                           `xml:"routeTableId"`
	VPC          string                           `xml:"vpcId"`
	OwnerID      string                           `xml:"ownerId"`
	Routes       core.Items[routeItem]            `xml:"routeSet"`
	Associations core.Items[tableAssociationItem] `xml:"associationSet"`
	Propagating  core.Items[struct{}]             `xml:"propagatingVgwSet"`
	Tags         tagSet                           `xml:"tagSet"`
}

func (s *Service) routeTableItem(tx *core.Tx, region string, t routeTable) routeTableItem {
	item := routeTableItem{ID: t.ID, VPC: t.VPC, OwnerID: core.AccountID, Tags: s.tagSet(tx, region, t.ID)}
	for _, x := range t.Routes {
		v := routeItem{CIDR: x.CIDR, CIDR6: x.CIDR6, PrefixList: x.PrefixList, State: "active", Origin: x.Origin}
		switch x.Target {
		case "GatewayId":
			v.Gateway = x.ID
		case "NatGatewayId":
			v.NAT = x.ID
		case "NetworkInterfaceId":
			v.Interface = x.ID
		}
		if !s.targetAlive(tx, region, t.VPC, x) {
			v.State = "blackhole"
		}
		item.Routes = append(item.Routes, v)
	}
	for _, a := range t.Associations {
		item.Associations = append(item.Associations, tableAssociationItem{a.ID, t.ID, a.Subnet, a.Gateway, a.Main, stateCode{"associated"}})
	}
	return item
}

// targetAlive reports whether a route leads somewhere; one that does not is a blackhole.
func (s *Service) targetAlive(tx *core.Tx, region, vpc string, x route) bool {
	switch x.Target {
	case "NatGatewayId":
		n, ok := s.nats.records.Get(tx, region, x.ID)
		return ok && n.Deleted == nil
	case "NetworkInterfaceId":
		return s.interfaces.records.Has(tx, region, x.ID)
	default:
		if x.ID == "local" {
			return true
		}
		g, ok := s.gateways.records.Get(tx, region, x.ID)
		return ok && g.VPC == vpc
	}
}

func (s *Service) describeRouteTables(tx *core.Tx, r *core.Request) (any, error) {
	found, next, err := describe(s, s.tables, tx, r)
	if err != nil {
		return nil, err
	}
	var out struct {
		Tables core.Items[routeTableItem] `xml:"routeTableSet"`
		Next   string                     `xml:"nextToken,omitempty"`
	}
	for _, v := range found {
		out.Tables = append(out.Tables, s.routeTableItem(tx, r.Region, v))
	}
	out.Next = next
	return out, nil
}

func (s *Service) newRouteTable(tx *core.Tx, region string, vpc VPC, main bool) routeTable {
	t := routeTable{ID: core.NewID("rtb"), VPC: vpc.ID, BuiltIn: main}
	for _, b := range vpc.Blocks {
		t.Routes = append(t.Routes, route{CIDR: b.CIDR, Target: "GatewayId", ID: "local", Origin: "CreateRouteTable"})
	}
	if main {
		t.Associations = []tableAssociation{{ID: core.NewID("rtbassoc"), Main: true}}
	}
	s.tables.put(tx, region, t)
	return t
}

// addLocalRoutes gives every table of the VPC a local route per address block.
func (s *Service) addLocalRoutes(tx *core.Tx, region string, vpc VPC) {
	for _, t := range s.tables.records.List(tx, region) {
		if t.VPC != vpc.ID {
			continue
		}
		for _, b := range vpc.Blocks {
			if !slices.ContainsFunc(t.Routes, func(x route) bool { return x.CIDR == b.CIDR }) {
				t.Routes = append(t.Routes, route{CIDR: b.CIDR, Target: "GatewayId", ID: "local", Origin: "CreateRouteTable"})
			}
		}
		s.tables.put(tx, region, t)
	}
}

func (s *Service) removeLocalRoute(tx *core.Tx, region, vpc, cidr string) {
	for _, t := range s.tables.records.List(tx, region) {
		if t.VPC == vpc {
			t.Routes = slices.DeleteFunc(t.Routes, func(x route) bool { return x.CIDR == cidr && x.ID == "local" })
			s.tables.put(tx, region, t)
		}
	}
}

func (s *Service) createRouteTable(tx *core.Tx, r *core.Request) (any, error) {
	vpc, err := s.vpcs.get(tx, r.Region, r.Form.Get("VpcId"))
	if err != nil {
		return nil, err
	}
	t := s.newRouteTable(tx, r.Region, vpc, false)
	if err := s.tagNew(tx, r, "route-table", t.ID); err != nil {
		return nil, err
	}
	return struct {
		Table routeTableItem `xml:"routeTable"`
	}{s.routeTableItem(tx, r.Region, t)}, nil
}

func (s *Service) deleteRouteTable(tx *core.Tx, r *core.Request) (any, error) {
	t, err := s.tables.get(tx, r.Region, r.Form.Get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	if len(t.Associations) > 0 {
		return nil, core.Errorf("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", t.ID)
	}
	remove(s, s.tables, tx, r.Region, t.ID)
	return succeeded, nil
}

// readRoute takes a route from a Create or Replace call.
func (s *Service) readRoute(tx *core.Tx, r *core.Request, t routeTable) (route, error) {
	x := route{
		CIDR6: r.Form.Get("DestinationIpv6CidrBlock"), PrefixList: r.Form.Get("DestinationPrefixListId"), Origin: "CreateRoute",
	}
	if cidr := r.Form.Get("DestinationCidrBlock"); cidr != "" {
		p, err := netip.ParsePrefix(cidr)
		if err != nil || !p.Addr().Is4() {
			return x, core.Errorf("InvalidParameterValue", "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", cidr)
		}
		x.CIDR = p.Masked().String()
	}
	if x.destination() == "" {
		return x, core.Errorf("MissingParameter", "The request must contain the parameter destinationCidrBlock")
	}
	for _, target := range []string{"GatewayId", "NatGatewayId", "NetworkInterfaceId"} {
		if id := r.Form.Get(target); id != "" {
			x.Target, x.ID = target, id
		}
	}
	return x, s.checkTarget(tx, r.Region, t, x)
}

func (s *Service) checkTarget(tx *core.Tx, region string, t routeTable, x route) error {
	switch x.Target {
	case "":
		return core.Errorf("InvalidParameterCombination", "The request must contain exactly one of gatewayId, natGatewayId or networkInterfaceId; the sandbox has no other route targets.")
	case "NatGatewayId":
		n, err := s.nats.get(tx, region, x.ID)
		if err == nil && n.Deleted != nil {
			return core.Errorf("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", x.ID)
		}
		return err
	case "NetworkInterfaceId":
		_, err := s.interfaces.get(tx, region, x.ID)
		return err
	}
	if x.ID == "local" {
		return nil
	}
	g, ok := s.gateways.records.Get(tx, region, x.ID)
	if !ok {
		return core.Errorf("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", x.ID)
	}
	if g.VPC != t.VPC {
		return core.Errorf("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", t.ID, x.ID)
	}
	return nil
}

func (s *Service) createRoute(tx *core.Tx, r *core.Request) (any, error) {
	t, err := s.tables.get(tx, r.Region, r.Form.Get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	x, err := s.readRoute(tx, r, t)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(t.Routes, func(y route) bool { return y.destination() == x.destination() })
	switch {
	case i < 0:
		t.Routes = append(t.Routes, x)
	case t.Routes[i].Target == x.Target && t.Routes[i].ID == x.ID:
		// The same route again is a success on AWS, too.
	case !s.targetAlive(tx, r.Region, t.VPC, t.Routes[i]):
		t.Routes[i] = x
	default:
		return nil, core.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", x.destination())
	}
	s.tables.put(tx, r.Region, t)
	return succeeded, nil
}

func (s *Service) replaceRoute(tx *core.Tx, r *core.Request) (any, error) {
	t, err := s.tables.get(tx, r.Region, r.Form.Get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	x, err := s.readRoute(tx, r, t)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(t.Routes, func(y route) bool { return y.destination() == x.destination() })
	if i < 0 {
		return nil, core.Errorf("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.", x.destination())
	}
	x.Origin = t.Routes[i].Origin
	t.Routes[i] = x
	s.tables.put(tx, r.Region, t)
	return succeeded, nil
}

func (s *Service) deleteRoute(tx *core.Tx, r *core.Request) (any, error) {
	t, err := s.tables.get(tx, r.Region, r.Form.Get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	want := r.Form.Get("DestinationCidrBlock") + r.Form.Get("DestinationIpv6CidrBlock") + r.Form.Get("DestinationPrefixListId")
	i := slices.IndexFunc(t.Routes, func(x route) bool { return x.destination() == want })
	if i < 0 {
		return nil, core.Errorf("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", want, t.ID)
	}
	if t.Routes[i].ID == "local" {
		return nil, core.Errorf("InvalidParameterValue", "cannot remove local route %s in route table %s", want, t.ID)
	}
	t.Routes = slices.Delete(t.Routes, i, i+1)
	s.tables.put(tx, r.Region, t)
	return succeeded, nil
}

type newAssociation struct {
	ID    string    `xml:"associationId"`
	State stateCode `xml:"associationState"`
}

func (s *Service) associateRouteTable(tx *core.Tx, r *core.Request) (any, error) {
	t, err := s.tables.get(tx, r.Region, r.Form.Get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	a := tableAssociation{ID: core.NewID("rtbassoc"), Subnet: r.Form.Get("SubnetId"), Gateway: r.Form.Get("GatewayId")}
	vpc := ""
	if a.Gateway != "" {
		g, err := s.gateways.get(tx, r.Region, a.Gateway)
		if err != nil {
			return nil, err
		}
		vpc = g.VPC
	} else {
		n, err := s.subnets.get(tx, r.Region, a.Subnet)
		if err != nil {
			return nil, err
		}
		vpc = n.VPC
	}
	if vpc != t.VPC {
		return nil, core.Errorf("InvalidParameterValue", "route table %s and subnet %s belong to different networks", t.ID, a.Subnet+a.Gateway)
	}
	for _, other := range s.tables.records.List(tx, r.Region) {
		for _, b := range other.Associations {
			if !b.Main && b.Subnet == a.Subnet && b.Gateway == a.Gateway {
				if other.ID == t.ID {
					return newAssociation{b.ID, stateCode{"associated"}}, nil
				}
				return nil, core.Errorf("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
			}
		}
	}
	t.Associations = append(t.Associations, a)
	s.tables.put(tx, r.Region, t)
	return newAssociation{a.ID, stateCode{"associated"}}, nil
}

// association finds a table association by id.
func (s *Service) association(tx *core.Tx, region, id string) (routeTable, tableAssociation, error) {
	for _, t := range s.tables.records.List(tx, region) {
		for _, a := range t.Associations {
			if a.ID == id {
				return t, a, nil
			}
		}
	}
	return routeTable{}, tableAssociation{}, core.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

func (s *Service) disassociateRouteTable(tx *core.Tx, r *core.Request) (any, error) {
	t, a, err := s.association(tx, r.Region, r.Form.Get("AssociationId"))
	if err != nil {
		return nil, err
	}
	if a.Main {
		return nil, core.Errorf("InvalidParameterValue", "cannot disassociate the main route table association %s", a.ID)
	}
	t.dropAssociation(func(b tableAssociation) bool { return b.ID == a.ID })
	s.tables.put(tx, r.Region, t)
	return succeeded, nil
}

func (s *Service) replaceRouteTableAssociation(tx *core.Tx, r *core.Request) (any, error) {
	from, a, err := s.association(tx, r.Region, r.Form.Get("AssociationId"))
	if err != nil {
		return nil, err
	}
	to, err := s.tables.get(tx, r.Region, r.Form.Get("RouteTableId"))
	if err != nil {
		return nil, err
	}
	if to.VPC != from.VPC {
		return nil, core.Errorf("InvalidParameterValue", "route tables %s and %s belong to different networks", from.ID, to.ID)
	}
	moved := a
	moved.ID = core.NewID("rtbassoc")
	if from.ID == to.ID {
		to.dropAssociation(func(b tableAssociation) bool { return b.ID == a.ID })
	} else {
		from.dropAssociation(func(b tableAssociation) bool { return b.ID == a.ID })
		s.tables.put(tx, r.Region, from)
	}
	to.Associations = append(to.Associations, moved)
	s.tables.put(tx, r.Region, to)
	return struct {
		ID    string    `xml:"newAssociationId"`
		State stateCode `xml:"associationState"`
	}{moved.ID, stateCode{"associated"}}, nil
}
