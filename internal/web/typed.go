package web

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/berthdev/berth/internal/web/views"
)

// A form that is drawn again before it is saved must lose nothing, and a secret that was typed into it must not be
// shown. So the secret travels with the form sealed, for the person who typed it and for this project alone.

func typedFor(sc scope) []byte { return []byte("typed\x00" + sc.who.UserID + "\x00" + sc.id) }

func (s *server) sealTyped(sc scope, text string) (string, error) {
	sealed, err := s.Keyring.Seal([]byte(text), typedFor(sc))
	if err != nil {
		return "", fmt.Errorf("sealing what was typed: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openTyped returns false for what this person did not type into a form of this project.
func (s *server) openTyped(sc scope, kept string) (string, bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(kept)
	if err != nil {
		return "", false
	}
	plain, err := s.Keyring.Open(sealed, typedFor(sc))
	return string(plain), err == nil
}

// readRows takes rows from a form, with what was typed into it before.
func (s *server) readRows(sc scope, form url.Values, rows *views.Rows) {
	rows.Read(form)
	for i := range rows.Rows {
		for name, c := range rows.Rows[i].Cells {
			if c.Kept == "" {
				continue
			}
			if plain, ok := s.openTyped(sc, c.Kept); c.Value == "" && ok {
				c.Value = plain
			} else if c.Value == "" {
				c.Error = "Enter the value again."
			}
			c.Kept = ""
			rows.Rows[i].Cells[name] = c
		}
	}
}

// hideRows seals what was typed and must not be shown, or cannot be: the rows can be drawn then.
func (s *server) hideRows(sc scope, rows *views.Rows) error {
	for i, row := range rows.Rows {
		for _, column := range rows.Columns {
			c := row.Cells[column.Name]
			secret := rows.IsSecret(row, column)
			if c.Value == "" || (!secret && isText(c.Value)) {
				continue
			}
			kept, err := s.sealTyped(sc, c.Value)
			if err != nil {
				return err
			}
			c.Kept, c.Value = kept, ""
			rows.Rows[i].Cells[column.Name] = c
		}
	}
	return nil
}

// isText says whether a field of a form can hold it.
func isText(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsRune(value, 0)
}
