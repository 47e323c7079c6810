package bundle

import "strings"

// circles notes where local modules call each other without end. The tool follows them until a file name is too long,
// and says no more than that.
func (w *Walk) circles(root string) {
	const open, done = 1, 2
	state := map[string]int{}
	var way []string
	var visit func(dir string)
	visit = func(dir string) {
		state[dir] = open
		way = append(way, relative(root, dir))
		for _, c := range w.calls[dir] {
			switch state[c.Dir] {
			case open:
				back := relative(root, c.Dir)
				from := len(way) - 1
				for way[from] != back {
					from--
				}
				w.problem(c, Error, "module %q leads back to a folder that calls it: %s; remove one of these calls",
					c.Name, strings.Join(append(append([]string{}, way[from:]...), back), " → "))
			case done:
			default:
				visit(c.Dir)
			}
		}
		way = way[:len(way)-1]
		state[dir] = done
	}
	visit(root)
}
