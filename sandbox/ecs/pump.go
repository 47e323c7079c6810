package ecs

import (
	"context"
	"time"

	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/logs"
)

const (
	// batchTime and batchLines bound what is collected before it is written.
	batchTime  = 300 * time.Millisecond
	batchLines = 1000
)

// pump carries a container's output to its log stream until the container has
// ended. How far it came is in the task's record, so that a restart goes on
// from there.
func (k *keeper) pump(ctx context.Context, t task, c container, i int) {
	region, group, stream, create, ok := c.awslogs(t)
	if !ok {
		return
	}
	lines := make(chan dataplane.LogLine)
	go func() {
		defer close(lines)
		for line, err := range k.runtime().Logs(ctx, t.Containers[i].RuntimeID, t.Containers[i].LogOffset, true) {
			if err != nil {
				if ctx.Err() == nil {
					k.s.env.Logger.Warn("reading a container's output", "task", t.ID, "error", err)
				}
				return
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	var batch []dataplane.LogLine
	flush := func() {
		if len(batch) > 0 {
			k.write(region, group, stream, create, i, batch)
			batch = nil
		}
	}
	timer := time.NewTicker(batchTime)
	defer timer.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				flush()
				return
			}
			if batch = append(batch, line); len(batch) >= batchLines {
				flush()
			}
		case <-timer.C:
			flush()
		}
	}
}

func (k *keeper) write(region, group, stream string, create bool, i int, batch []dataplane.LogLine) {
	events := make([]logs.Event, len(batch))
	for n, line := range batch {
		events[n] = logs.Event{Timestamp: line.Time.UnixMilli(), Message: line.Text}
	}
	if err := k.s.deps.Logs.Write(region, group, stream, events, create); err != nil {
		// The group was deleted while the task runs: as on AWS, its output is lost.
		k.s.env.Logger.Debug("writing a container's output", "task", k.id, "error", err)
	}
	_, err := k.change(func(t *task) { t.Containers[i].LogOffset = batch[len(batch)-1].Next })
	if err != nil {
		k.s.env.Logger.Debug("recording how far a container's output was read", "task", k.id, "error", err)
	}
}
