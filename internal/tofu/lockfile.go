package tofu

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// LockFileName is the file beside a root module in which the tool records the providers it chose.
const LockFileName = ".terraform.lock.hcl"

// LockedProvider is one entry of a lock file.
type LockedProvider struct {
	Address     string // host/namespace/type
	Version     string
	Constraints string
	// Hashes are the recorded checksums. An entry without them fixes the version alone.
	Hashes []string
}

// LockEdit is what becomes of an entry.
type LockEdit int

const (
	LockKeep       LockEdit = iota
	LockDropHashes          // keep the version, forget the checksums
	LockRemove
)

// AddLockHashes returns the lock file with more checksums in the entries that have some. more is asked for those of an entry.
func AddLockHashes(src []byte, more func(LockedProvider) []string) ([]byte, error) {
	return editLock(src, func(p LockedProvider, b *hclsyntax.Block, out []byte) []byte {
		hashes := b.Body.Attributes["hashes"]
		all := slices.Concat(p.Hashes, more(p))
		slices.Sort(all)
		if all = slices.Compact(all); hashes == nil || len(all) == len(p.Hashes) {
			return out
		}
		var list strings.Builder
		list.WriteString("[\n")
		for _, h := range all {
			fmt.Fprintf(&list, "    %q,\n", h)
		}
		list.WriteString("  ]")
		at := hashes.Expr.Range()
		return slices.Replace(out, at.Start.Byte, at.End.Byte, []byte(list.String())...)
	})
}

// ReadLock lists the entries of a lock file by address.
func ReadLock(src []byte) ([]LockedProvider, error) {
	var out []LockedProvider
	_, err := EditLock(src, func(p LockedProvider) LockEdit {
		out = append(out, p)
		return LockKeep
	})
	slices.SortFunc(out, func(a, b LockedProvider) int { return strings.Compare(a.Address, b.Address) })
	return out, err
}

// EditLock returns the lock file with its entries changed as told. What is kept stays as it was written.
func EditLock(src []byte, edit func(LockedProvider) LockEdit) ([]byte, error) {
	return editLock(src, func(p LockedProvider, b *hclsyntax.Block, out []byte) []byte {
		switch edit(p) {
		case LockDropHashes:
			if hashes := b.Body.Attributes["hashes"]; hashes != nil {
				return cutLines(out, hashes.SrcRange)
			}
		case LockRemove:
			return cutLines(out, b.Range())
		case LockKeep:
		}
		return out
	})
}

// editLock goes through the entries from the last to the first, so that the places before an edit stay true.
func editLock(src []byte, edit func(LockedProvider, *hclsyntax.Block, []byte) []byte) ([]byte, error) {
	file, diags := hclsyntax.ParseConfig(src, LockFileName, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("reading the lock file: %w", diags)
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, errors.New("reading the lock file: it is of an unknown form")
	}
	out := bytes.Clone(src)
	for _, b := range slices.Backward(body.Blocks) {
		if b.Type != "provider" || len(b.Labels) != 1 {
			continue
		}
		p := LockedProvider{
			Address: b.Labels[0], Version: lockText(b.Body, "version"), Constraints: lockText(b.Body, "constraints"),
			Hashes: textsOf(b.Body, "hashes"),
		}
		out = edit(p, b, out)
	}
	return out, nil
}

// cutLines removes the lines that a range touches.
func cutLines(src []byte, r hcl.Range) []byte {
	start := bytes.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[r.End.Byte:], '\n'); i >= 0 {
		end = r.End.Byte + i + 1
	}
	return slices.Delete(src, start, end)
}

func lockText(b *hclsyntax.Body, name string) string { return strings.Join(textsOf(b, name), "") }
