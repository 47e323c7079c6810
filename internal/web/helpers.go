package web

import (
	"fmt"
	"strings"

	"github.com/berthdev/berth/internal/web/views"
)

func statusOptions() []views.Option {
	var out []views.Option
	for _, s := range views.EnvironmentStatuses() {
		out = append(out, views.Option{Value: string(s), Label: s.Look().Label})
	}
	return out
}

func plainOptions(values []string) []views.Option {
	out := make([]views.Option, 0, len(values))
	for _, v := range values {
		out = append(out, views.Option{Value: v, Label: v})
	}
	return out
}

// short leaves the scheme out of an address: it is the part that never tells two apart.
func short(address string) string {
	address = strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	return strings.TrimSuffix(address, "/")
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func shown(rows, total int) string {
	if rows == total {
		return views.Count(total, "environment", "environments")
	}
	return fmt.Sprintf("%s of %s", views.Number(rows), views.Count(total, "environment", "environments"))
}

func anyError(fields []views.Field) bool {
	for _, f := range fields {
		if f.Error != "" {
			return true
		}
	}
	return false
}

func num(n int) string { return fmt.Sprint(n) }

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
