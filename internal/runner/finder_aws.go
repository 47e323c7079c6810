package runner

import "context"

type awsFinder struct{}

// Find implements Finder.
func (awsFinder) Find(context.Context, Query) ([]string, error) { return nil, ErrCannotFind }
