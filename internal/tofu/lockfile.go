package tofu

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// LockFileName is the file beside a root module in which the tool records the providers it chose.
const LockFileName = ".terraform.lock.hcl"

// LockedProvider is one entry of a lock file.
type LockedProvider struct {
	Address     string // host/namespace/type
	Version     string
	Constraints string
	// Hashed says that checksums were recorded. An entry without them fixes the version alone.
	Hashed bool
}

// LockEdit is what becomes of an entry.
type LockEdit int

const (
	LockKeep       LockEdit = iota
	LockDropHashes          // keep the version, forget the checksums
	LockRemove
)

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
	file, diags := hclsyntax.ParseConfig(src, LockFileName, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("reading the lock file: %w", diags)
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, errors.New("reading the lock file: it is of an unknown form")
	}
	out := bytes.Clone(src)
	for _, b := range slices.Backward(body.Blocks) { // from the end, so that the places before it stay true
		if b.Type != "provider" || len(b.Labels) != 1 {
			continue
		}
		hashes := b.Body.Attributes["hashes"]
		p := LockedProvider{
			Address: b.Labels[0], Version: lockText(b.Body, "version"), Constraints: lockText(b.Body, "constraints"),
			Hashed: hashes != nil,
		}
		switch edit(p) {
		case LockDropHashes:
			if hashes != nil {
				out = cutLines(out, hashes.SrcRange)
			}
		case LockRemove:
			out = cutLines(out, b.Range())
		case LockKeep:
		}
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

func lockText(b *hclsyntax.Body, name string) string {
	a := b.Attributes[name]
	if a == nil {
		return ""
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}
