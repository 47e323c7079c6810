package template

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/db"
)

// Sensitive values that a template gives are encrypted where they are stored, and
// write-only: they are opened to check and to run a version, and left out of what
// is shown. A variable that is saved without its value keeps it.

var errNoKey = errors.New("there is no key to keep sensitive values with")

func sealedFor(templateID, name string) []byte {
	return []byte("template variable\x00" + templateID + "\x00" + name)
}

// seal returns the variables as they are stored.
func (s *Service) seal(templateID string, plain []Variable) ([]Variable, error) {
	out := slices.Clone(plain)
	for i := range out {
		v := &out[i]
		v.Sealed, v.HasValue = nil, false
		if !v.Options.Sensitive || v.Value == nil {
			continue
		}
		if s.keys == nil {
			return nil, errNoKey
		}
		var err error
		if v.Sealed, err = s.keys.Seal([]byte(*v.Value), sealedFor(templateID, v.Name)); err != nil {
			return nil, fmt.Errorf("sealing variable %s: %w", v.Name, err)
		}
		v.Value = nil
	}
	return out, nil
}

// open fills in the sealed values of stored variables.
func (s *Service) open(templateID string, stored []Variable) error {
	for i := range stored {
		v := &stored[i]
		if v.Sealed == nil {
			continue
		}
		if s.keys == nil {
			return errNoKey
		}
		plain, err := s.keys.Open(v.Sealed, sealedFor(templateID, v.Name))
		if err != nil {
			return fmt.Errorf("opening variable %s: %w", v.Name, err)
		}
		text := string(plain)
		v.Value, v.Sealed = &text, nil
	}
	return nil
}

// withoutSecrets returns the variables without sensitive values.
func withoutSecrets(plain []Variable) []Variable {
	out := slices.Clone(plain)
	for i := range out {
		v := &out[i]
		v.Sealed = nil
		if v.Options.Sensitive && v.Value != nil {
			v.Value, v.HasValue = nil, true
		}
	}
	return out
}

// keepValues fills in the sensitive values that were saved before, in this version
// or else in the newest one, for variables that come without.
func keepValues(variables, before []Variable) []Variable {
	out := slices.Clone(variables)
	for i := range out {
		v := &out[i]
		v.HasValue, v.Sealed = false, nil
		if !v.Options.Sensitive || v.Value != nil {
			continue
		}
		j := slices.IndexFunc(before, func(b Variable) bool { return b.Name == v.Name && b.Options.Sensitive })
		if j >= 0 && before[j].Value != nil {
			v.Value = before[j].Value
			if v.ValueType == "" {
				v.ValueType = before[j].ValueType
			}
		}
	}
	return out
}

// resourceVersion reads a version with its sensitive values.
func (s *Service) resourceVersion(ctx context.Context, q db.Querier, projectID, name, version string) (*ResourceVersion, error) {
	v, err := getResourceVersion(ctx, q, projectID, name, version)
	if err != nil {
		return nil, err
	}
	return v, s.open(string(v.TemplateID), v.Spec.Variables)
}

// environmentVersion reads a version with its sensitive values.
func (s *Service) environmentVersion(ctx context.Context, q db.Querier, projectID, name, version string) (*EnvironmentVersion, error) {
	v, err := getEnvironmentVersion(ctx, q, projectID, name, version)
	if err != nil {
		return nil, err
	}
	return v, s.open(string(v.TemplateID), v.Spec.Variables)
}

// openResources fills in the sensitive values of many versions.
func (s *Service) openResources(versions map[ResourceVersionID]*ResourceVersion) error {
	for _, v := range versions {
		if err := s.open(string(v.TemplateID), v.Spec.Variables); err != nil {
			return err
		}
	}
	return nil
}

// savedBefore are the variables, with their sensitive values, of the version that is
// saved, or else of the newest version of the template.
func (s *Service) savedBefore(ctx context.Context, k kind, in SaveInput) ([]Variable, error) {
	spec, templateID, err := getVariablesBefore(ctx, s.db, k, in.ProjectID, in.Name, in.Version)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", k.word, err)
	}
	return spec, s.open(templateID, spec)
}
