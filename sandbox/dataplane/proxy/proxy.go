// Package proxy is the network edge of the data plane: loopback addresses that
// belong to a task or a load balancer, forwarders that lead from them into the
// network of a task, and load balancers with rules, health checks and draining.
// It must not know how containers are run: it is given a way to dial them.
package proxy

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }
