package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

const sharedIP = "127.0.0.1"

// Addresses hands out loopback addresses and remembers who has which.
type Addresses struct {
	file string
	mu   sync.Mutex
	// held is what is written to disk.
	held map[string]*heldAddress
}

type heldAddress struct {
	Address
	// Ports are the free ports that stand in for wanted ones that could not be
	// bound.
	Ports map[int]int `json:",omitempty"`
}

// OpenAddresses opens the allocator whose memory is file.
func OpenAddresses(file string) (*Addresses, error) {
	a := &Addresses{file: file, held: map[string]*heldAddress{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &a.held)
	}
	if err != nil {
		return nil, fmt.Errorf("addresses in %s: %w", file, err)
	}
	return a, nil
}

// ForLoadBalancer returns the owner's address, reserving one at first. It is a
// dedicated one only when port 80 of it can be bound.
func (a *Addresses) ForLoadBalancer(owner string) (Address, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h, ok := a.held[owner]; ok {
		return h.Address, nil
	}
	if ip, ok := a.find(owner, 80); ok {
		return a.hold(owner, Address{IP: ip, Dedicated: true})
	}
	ln, err := net.Listen("tcp", sharedIP+":0")
	if err != nil {
		return Address{}, fmt.Errorf("finding a free port: %w", err)
	}
	defer ln.Close()
	return a.hold(owner, Address{IP: sharedIP, Port: ln.Addr().(*net.TCPAddr).Port})
}

// ForTask returns the owner's address, reserving one at first.
func (a *Addresses) ForTask(owner string) (Address, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h, ok := a.held[owner]; ok {
		return h.Address, nil
	}
	if ip, ok := a.find(owner, 0); ok {
		return a.hold(owner, Address{IP: ip, Dedicated: true})
	}
	return a.hold(owner, Address{IP: sharedIP})
}

// Release gives an owner's address back.
func (a *Addresses) Release(owner string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.held, owner)
	return a.save()
}

// listen binds an owner's wanted port, or a free one in its place when that is
// not permitted or taken; the same free one as before when possible.
func (a *Addresses) listen(owner string, port int) (net.Listener, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.held[owner]
	if !ok {
		return nil, fmt.Errorf("%s has no address", owner)
	}
	var first error
	if h.Dedicated {
		ln, err := net.Listen("tcp", net.JoinHostPort(h.IP, strconv.Itoa(port)))
		if err == nil {
			return ln, nil
		}
		first = err
	}
	instead, ok := h.Ports[port]
	if !ok && !h.Dedicated && h.Port != 0 && !h.portGiven() {
		instead = h.Port
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(h.IP, strconv.Itoa(instead)))
	if err != nil && instead != 0 {
		ln, err = net.Listen("tcp", net.JoinHostPort(h.IP, "0"))
	}
	if err != nil {
		return nil, errors.Join(first, err)
	}
	if h.Ports == nil {
		h.Ports = map[int]int{}
	}
	h.Ports[port] = ln.Addr().(*net.TCPAddr).Port
	if err := a.save(); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// portGiven tells whether a wanted port has got the port in the address's name.
func (h *heldAddress) portGiven() bool {
	for _, p := range h.Ports {
		if p == h.Port {
			return true
		}
	}
	return false
}

func (a *Addresses) hold(owner string, addr Address) (Address, error) {
	a.held[owner] = &heldAddress{Address: addr}
	if err := a.save(); err != nil {
		delete(a.held, owner)
		return Address{}, err
	}
	return addr, nil
}

// find looks for an address of 127.64.0.0/10 that nobody holds and whose port can
// be bound. Where the search begins depends on the owner and the directory, so
// that two sandboxes on one machine do not meet.
func (a *Addresses) find(owner string, port int) (string, bool) {
	taken := map[string]bool{}
	for _, h := range a.held {
		taken[h.IP] = true
	}
	hash := fnv.New32a()
	hash.Write([]byte(a.file + "\x00" + owner))
	n := hash.Sum32()
	for try := uint32(0); try < 16; try++ {
		v := n + try*2654435761
		ip := fmt.Sprintf("127.%d.%d.%d", 64+v>>24%64, v>>8%256, 1+v%254)
		if taken[ip] {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
		if err == nil {
			ln.Close()
			return ip, true
		}
		if errors.Is(err, fs.ErrPermission) {
			return "", false
		}
	}
	return "", false
}

func (a *Addresses) save() error {
	data, err := json.MarshalIndent(a.held, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(a.file), ".addresses-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close(), os.Rename(f.Name(), a.file))
}
