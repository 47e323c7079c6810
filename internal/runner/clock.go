package runner

import (
	"time"

	"golang.org/x/sys/unix"
)

// Instant is a reading of the machine's boot clock, which runs on during suspend, is never set, and is the same in
// every process of the machine. Leases are measured with it.
type Instant int64

// Now reads the boot clock.
func Now() Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("reading the boot clock: " + err.Error()) // no Linux lacks it
	}
	return Instant(ts.Nano())
}

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }
