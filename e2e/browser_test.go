package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// seenWithin is how long a thing may take to appear on a page, on a machine that is busy.
const seenWithin = 45 * time.Second

// browser is a tab of a headless Chromium. Things on pages are found by role and accessible name alone, as a person with
// a screen reader finds them.
type browser struct {
	ctx        context.Context //nolint:containedctx // chromedp keeps the tab in it
	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	require.NoError(t, err)
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 800))
	for _, flag := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "force-prefers-reduced-motion",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &browser{ctx: ctx}
	messages := chromedp.Console(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" {
				b.mu.Lock()
				b.complaints = append(b.complaints, m.String()+" "+m.URL)
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)))
	return b
}

// quiet fails when the console complained.
func (b *browser) quiet(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, b.complaints, "the browser's console complained")
}

func (b *browser) open(t *testing.T, url string) {
	t.Helper()
	require.NoError(t, chromedp.Do(b.ctx, chromedp.Navigate(url)), url)
}

// thing is an element of the page.
type thing struct {
	role, name string
	id         cdp.BackendNodeID
}

func (n thing) String() string { return fmt.Sprintf("%s %q", n.role, n.name) }

// soon bounds a question to a page: one that is asked while a page is left may never be answered.
func (b *browser) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, 3*time.Second)
}

// look lists the elements of a role whose accessible name is exactly this one, and that a person can see.
func (b *browser) look(role, name string) ([]thing, error) {
	ctx, cancel := b.soon()
	defer cancel()
	doc, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "document"})
	if err != nil {
		return nil, err
	}
	return b.lookUnder(ctx, doc.Result.ObjectID, role, name)
}

// lookUnder lists the elements of a role and name in the part of the page below an object.
func (b *browser) lookUnder(ctx context.Context, root runtime.RemoteObjectID, role, name string) ([]thing, error) {
	res, err := chromedp.Call(ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		ObjectID: root, Role: role, AccessibleName: name,
	})
	if err != nil {
		return nil, err
	}
	var found []thing
	for _, n := range res.Nodes {
		if n.Ignored {
			continue
		}
		x := thing{role, name, n.BackendDOMNodeID}
		if shown, err := call[bool](b, x, `function() { return this.checkVisibility({visibilityProperty: true}) }`); err == nil && shown {
			found = append(found, x)
		}
	}
	return found, nil
}

// find waits for exactly one element of that role and name.
func (b *browser) find(t *testing.T, role, name string) thing {
	t.Helper()
	return b.findWithin(t, seenWithin, role, name)
}

func (b *browser) findWithin(t *testing.T, within time.Duration, role, name string) thing {
	t.Helper()
	var found []thing
	until(t, within, func() bool {
		var err error
		found, err = b.look(role, name) // an error means that the page is just changing
		return err == nil && len(found) == 1
	}, func() string {
		return fmt.Sprintf("there are %d elements with the role %s and the name %q on the page\n%s", len(found), role, name, b.outline(t))
	})
	return found[0]
}

// outline tells what the page offers, for failures.
func (b *browser) outline(t *testing.T) string {
	t.Helper()
	ctx, cancel := b.soon()
	defer cancel()
	res, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	if at, err := chromedp.Run(ctx, chromedp.Location()); err == nil {
		fmt.Fprintln(&out, at)
	}
	for _, n := range res.Nodes {
		if n.Ignored || n.Role == nil || n.Name == nil || len(n.Name.Value) <= 2 || strings.Contains(string(n.Role.Value), "InlineText") {
			continue
		}
		fmt.Fprintf(&out, "  %s %s\n", n.Role.Value, n.Name.Value)
	}
	return out.String()
}

// call runs a function of JavaScript on an element.
func call[T any](b *browser, x thing, function string) (T, error) {
	ctx, cancel := b.soon()
	defer cancel()
	res, err := chromedp.Call(ctx, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: x.id})
	if err != nil {
		var none T
		return none, err
	}
	return chromedp.Run(ctx, chromedp.CallFunctionOn[T](function, func(p *runtime.CallFunctionOnParams) { p.ObjectID = res.Object.ObjectID }))
}

// click presses the one element of that role and name with the mouse.
func (b *browser) click(t *testing.T, role, name string) {
	t.Helper()
	b.press(t, b.find(t, role, name))
}

func (b *browser) press(t *testing.T, x thing) {
	t.Helper()
	require.NoError(t, b.tryPress(x), "pressing %s", x)
}

func (b *browser) tryPress(x thing) error {
	ctx, cancel := b.soon()
	defer cancel()
	if _, err := chromedp.Call(ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: x.id}); err != nil {
		return fmt.Errorf("scrolling to it: %w", err)
	}
	res, err := chromedp.Call(ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: x.id})
	if err != nil {
		return fmt.Errorf("finding its place: %w", err)
	}
	if len(res.Quads) == 0 {
		return fmt.Errorf("it has no place on the page")
	}
	q := res.Quads[0]
	return chromedp.Do(ctx, chromedp.MouseClickXY((q[0]+q[4])/2, (q[1]+q[5])/2))
}

// fill types into the one text field with that label.
func (b *browser) fill(t *testing.T, label, text string) {
	t.Helper()
	b.fillIn(t, b.find(t, "textbox", label), text)
}

func (b *browser) fillIn(t *testing.T, x thing, text string) {
	t.Helper()
	b.press(t, x)
	_, err := call[bool](b, x, `function() { this.select(); return true }`)
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(b.ctx, chromedp.KeyEvent(text)))
	got, err := call[string](b, x, `function() { return this.value }`)
	require.NoError(t, err)
	require.Equal(t, text, got, "the text in %s", x)
}

// choose picks an option of the one native select with that label, with the keyboard.
func (b *browser) choose(t *testing.T, label, option string) {
	t.Helper()
	x := b.find(t, "combobox", label)
	tag, err := call[string](b, x, `function() { return this.tagName }`)
	require.NoError(t, err)
	require.Equal(t, "SELECT", tag, "%s must be a native select", x)
	chosen := func() string {
		text, err := call[string](b, x, `function() { return this.selectedOptions[0].label }`)
		require.NoError(t, err)
		return text
	}
	if chosen() == option {
		return
	}
	_, err = call[bool](b, x, `function() { this.focus(); return true }`)
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(b.ctx, chromedp.KeyEvent(option+kb.Enter)))
	until(t, seenWithin, func() bool {
		found, err := b.look("combobox", label) // the page may have replaced it
		if err != nil || len(found) != 1 {
			return false
		}
		x = found[0]
		text, err := call[string](b, x, `function() { return this.selectedOptions[0].label }`)
		return err == nil && text == option
	}, func() string { return fmt.Sprintf("%s does not show %q\n%s", x, option, b.outline(t)) })
}

// statusIs waits for an element whose whole text is the status.
func (b *browser) statusIs(t *testing.T, within time.Duration, status string) {
	t.Helper()
	const count = `(text) => [...document.querySelectorAll("[role=status]")].filter(e => e.checkVisibility() && e.innerText.trim() === text).length`
	until(t, within, func() bool {
		ctx, cancel := b.soon()
		defer cancel()
		n, err := chromedp.Run(ctx, chromedp.Evaluate[int](fmt.Sprintf("(%s)(%q)", count, status)))
		return err == nil && n > 0
	}, func() string { return fmt.Sprintf("no element's whole text is %q\n%s", status, b.outline(t)) })
}

func screenshots() bool { return os.Getenv("BERTH_SCREENSHOTS") != "" }

// screenshot writes docs/screenshots/NAME.png when BERTH_SCREENSHOTS asks for it.
func (b *browser) screenshot(t *testing.T, name, theme string) {
	t.Helper()
	if !screenshots() {
		return
	}
	media := func(value string) emulation.SetEmulatedMediaParams {
		return emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}}
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media(theme))
	require.NoError(t, err)
	_, err = chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.fonts.ready.then(() => true)`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.Less(t, len(png), 150<<10, "%s is too large for the README", name)
	require.NoError(t, os.WriteFile(filepath.Join("..", "docs", "screenshots", name+".png"), png, 0o644))
	_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media("light"))
	require.NoError(t, err)
}
