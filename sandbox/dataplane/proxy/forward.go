package proxy

import (
	"context"
	"io"
	"net"
	"sync"
)

// forwarder accepts on a host address and leads each connection somewhere else.
type forwarder struct {
	ln     net.Listener
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// forward starts accepting. dial may pick another destination each time; done is
// called when the connection it made has ended, and may be nil.
func forward(ln net.Listener, dial func(context.Context) (conn net.Conn, done func(), err error)) *forwarder {
	ctx, cancel := context.WithCancel(context.Background())
	f := &forwarder{ln: ln, cancel: cancel}
	f.wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(ctx, in, dial) })
		}
	})
	return f
}

func (f *forwarder) serve(ctx context.Context, in net.Conn, dial func(context.Context) (net.Conn, func(), error)) {
	defer in.Close()
	out, done, err := dial(ctx)
	if done != nil {
		defer done()
	}
	if err != nil {
		// A reset says "refused" where a plain close would look like an answer.
		if tcp, ok := in.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return
	}
	defer out.Close()
	stop := context.AfterFunc(ctx, func() { in.Close(); out.Close() })
	defer stop()
	splice(in, out)
}

// splice copies both ways until both have ended.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	oneWay := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
			_ = half.CloseWrite()
			return
		}
		to.Close()
		from.Close()
	}
	wg.Go(func() { oneWay(a, b) })
	wg.Go(func() { oneWay(b, a) })
	wg.Wait()
}

// close ends everything.
func (f *forwarder) close() {
	f.ln.Close()
	f.cancel()
	f.wg.Wait()
}

// Forwards are the public addresses of tasks.
type Forwards struct {
	addresses *Addresses
	dial      DialFunc

	mu    sync.Mutex
	tasks map[string]map[int]*forwarder
}

// NewForwards makes forwards with addresses of the allocator given.
func NewForwards(a *Addresses, dial DialFunc) *Forwards {
	return &Forwards{addresses: a, dial: dial, tasks: map[string]map[int]*forwarder{}}
}

func taskOwner(task string) string { return "task/" + task }

// Expose forwards the ports of a task from its own address. It returns where each
// port is reached; calling it again adds ports.
func (f *Forwards) Expose(task string, ports []int) (Address, map[int]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	addr, err := f.addresses.ForTask(taskOwner(task))
	if err != nil {
		return Address{}, nil, err
	}
	have := f.tasks[task]
	if have == nil {
		have = map[int]*forwarder{}
		f.tasks[task] = have
	}
	for _, port := range ports {
		if have[port] != nil {
			continue
		}
		ln, err := f.addresses.listen(taskOwner(task), port)
		if err != nil {
			return Address{}, nil, err
		}
		have[port] = forward(ln, func(ctx context.Context) (net.Conn, func(), error) {
			c, err := f.dial(ctx, task, port)
			return c, nil, err
		})
	}
	at := map[int]string{}
	for port, fw := range have {
		at[port] = fw.ln.Addr().String()
	}
	return addr, at, nil
}

// Hide ends a task's forwarding and gives its address back.
func (f *Forwards) Hide(task string) error {
	f.mu.Lock()
	have := f.tasks[task]
	delete(f.tasks, task)
	f.mu.Unlock()
	for _, fw := range have {
		fw.close()
	}
	return f.addresses.Release(taskOwner(task))
}

// Close ends all forwarding; addresses stay reserved.
func (f *Forwards) Close() {
	f.mu.Lock()
	tasks := f.tasks
	f.tasks = map[string]map[int]*forwarder{}
	f.mu.Unlock()
	for _, have := range tasks {
		for _, fw := range have {
			fw.close()
		}
	}
}
