package db

import "strings"

// numbered rewrites $1 to ?1. SQLite takes $1 as a name and numbers names by
// order of appearance, so "$2, $1" would be bound the wrong way round. Text in
// quotes and comments stays as it is.
func numbered(query string) string {
	if !strings.Contains(query, "$") {
		return query
	}
	out := []byte(query)
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '\'' || c == '"':
			// A doubled quote ends one literal and starts the next, which comes to the same.
			i = skipTo(query, i+1, string(c))
		case c == '-' && strings.HasPrefix(query[i:], "--"):
			i = skipTo(query, i, "\n")
		case c == '/' && strings.HasPrefix(query[i:], "/*"):
			i = skipTo(query, i+2, "*/") + 1
		case c == '$' && i+1 < len(out) && out[i+1] >= '1' && out[i+1] <= '9':
			out[i] = '?'
		}
	}
	return string(out)
}

func skipTo(query string, from int, end string) int {
	if j := strings.Index(query[from:], end); j >= 0 {
		return from + j
	}
	return len(query)
}
