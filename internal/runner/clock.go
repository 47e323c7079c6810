package runner

import "golang.org/x/sys/unix"

// Now reads the boot clock.
func Now() Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("reading the boot clock: " + err.Error()) // no Linux lacks it
	}
	return Instant(ts.Nano())
}
