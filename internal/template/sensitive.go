package template

import "slices"

// Sensitive reports whether the value of the input of this name must not be shown, be it one that the version offers or
// a free variable that a module declares sensitive. What nothing is known of is not.
func (c *Compiled) Sensitive(name string) bool {
	if b := c.byName[name]; b != nil {
		return b.Sensitive
	}
	targets, err := c.freeTargets(name)
	return err == nil && slices.ContainsFunc(targets, func(t target) bool { return t.variable.Sensitive })
}
