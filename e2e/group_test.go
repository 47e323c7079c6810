package e2e_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// group is a part of the page with a role and a name of its own, such as one row of a form. The page may draw it again
// at any time, so it is looked up each time; the page as a whole is the group without a name.
type group struct {
	b    *browser
	role string
	name string
}

func (b *browser) page() group { return group{b: b} }

func (b *browser) group(name string) group { return group{b: b, role: "group", name: name} }

func (g group) String() string {
	if g.name == "" {
		return "the page"
	}
	return fmt.Sprintf("the %s %q", g.role, g.name)
}

func (g group) look(role, name string) ([]thing, error) {
	if g.name == "" {
		return g.b.look(role, name)
	}
	groups, err := g.b.look(g.role, g.name)
	if err != nil || len(groups) != 1 {
		return nil, err
	}
	ctx, cancel := g.b.soon()
	defer cancel()
	res, err := chromedp.Call(ctx, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: groups[0].id})
	if err != nil {
		return nil, err
	}
	return g.b.lookUnder(ctx, res.Object.ObjectID, role, name)
}

// does finds the one element of that role and name and tries something with it, until that has worked: the element may be
// replaced at the same moment.
func (g group) does(t *testing.T, role, name, what string, try func(thing) error) {
	t.Helper()
	var found []thing
	var last error
	until(t, seenWithin, func() bool {
		found, last = g.look(role, name)
		if last != nil || len(found) != 1 {
			return false
		}
		last = try(found[0])
		return last == nil
	}, func() string {
		return fmt.Sprintf("%s %q: %d elements with the role %s and this name in %s: %v\n%s", what, name, len(found), role, g, last, g.b.outline(t))
	})
}

func (g group) sees(t *testing.T, role, name string) {
	t.Helper()
	g.does(t, role, name, "seeing", func(thing) error { return nil })
}

// presses clicks what is there once and leads to another page or another state of this one.
func (g group) presses(t *testing.T, role, name string) {
	t.Helper()
	g.does(t, role, name, "pressing", g.b.tryPress)
}

// writes replaces the text of a field as one does with the keyboard.
func (g group) writes(t *testing.T, role, label, text string) {
	t.Helper()
	g.does(t, role, label, "writing into", func(x thing) error {
		if value, err := call[string](g.b, x, `function() { return this.value }`); err != nil || value == text {
			return err
		}
		if _, err := call[bool](g.b, x, `function() { this.scrollIntoView({block: "center"}); this.focus(); this.select(); return true }`); err != nil {
			return err
		}
		if err := chromedp.Do(g.b.ctx, chromedp.KeyEvent(text)); err != nil {
			return err
		}
		value, err := call[string](g.b, x, `function() { return this.value }`)
		if err == nil && value != text {
			return fmt.Errorf("it holds %q", value)
		}
		return err
	})
}

// chooses picks the option of a native select with the keyboard.
func (g group) chooses(t *testing.T, label, option string) {
	t.Helper()
	const shown = `function() { return this.tagName === "SELECT" && this.selectedOptions.length ? this.selectedOptions[0].label : "" }`
	g.does(t, "combobox", label, "choosing "+option+" in", func(x thing) error {
		now, err := call[string](g.b, x, shown)
		if err != nil || now == option {
			return err
		}
		if _, err := call[bool](g.b, x, `function() { this.focus(); return true }`); err != nil {
			return err
		}
		if err := chromedp.Do(g.b.ctx, chromedp.KeyEvent(option+kb.Enter)); err != nil {
			return err
		}
		return fmt.Errorf("it shows %q", now) // looked at again: the page may have drawn it anew
	})
}

// ticks sets a box or a choice that is not set yet.
func (g group) ticks(t *testing.T, role, label string) {
	t.Helper()
	const checked = `function() { return this.checked }`
	g.does(t, role, label, "ticking", func(x thing) error {
		is, err := call[bool](g.b, x, checked)
		if err != nil || is {
			return err
		}
		if err := g.b.tryPress(x); err != nil {
			return err
		}
		if is, err = call[bool](g.b, x, checked); err == nil && !is {
			return fmt.Errorf("it is not ticked")
		}
		return err
	})
}

// says waits for a text in an element of the page.
func (b *browser) says(t *testing.T, text string) {
	t.Helper()
	until(t, seenWithin, func() bool {
		ctx, cancel := b.soon()
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(`document.body.innerText.includes(%q)`, text)))
		return err == nil && ok
	}, func() string { return fmt.Sprintf("the page does not say %q\n%s", text, b.outline(t)) })
}
