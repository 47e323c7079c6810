package views

import (
	"slices"
	"sort"
)

// GraphNode is one resource as it goes into the drawing.
type GraphNode struct {
	Name      string
	Kind      string // "opentofu"
	Status    Status
	Sentence  string // "4 of 18 objects", "18 objects"
	Elapsed   string
	Since     Moment
	Output    string // key output, for display
	OutputURL string
	URL       string
	DependsOn []string
	Inferred  []string // those of DependsOn that nobody listed: an expression uses an output
	Icon      string   // "box" when empty
	Exists    bool     // there is nothing to wait for, whatever the status
	Percent   int      // while it runs

	X, Y int
}

// GraphEdge joins two nodes.
type GraphEdge struct {
	X1, Y1, X2, Y2 int
	Done           bool // the dependency is satisfied
	Active         bool
	Inferred       bool // follows from an expression
	Circular       bool // the two wait for each other
}

// Graph is the laid-out drawing.
type Graph struct {
	Width, Height int
	Nodes         []GraphNode
	Edges         []GraphEdge
}

// Sizes of the drawing, in pixels.
const (
	NodeWidth  = 264
	NodeHeight = 96
	gapX       = 72
	gapY       = 20
	margin     = 4
)

// Layout places nodes in columns by their longest chain of dependencies, keeping the given order inside a column, so
// that a node never moves while only its status changes. Unknown and circular dependencies are ignored.
func Layout(nodes []GraphNode) Graph {
	byName := make(map[string]int, len(nodes))
	for i, n := range nodes {
		byName[n.Name] = i
	}
	rank := ranks(nodes, byName)
	columns := map[int]int{}
	tallest := 0
	for _, r := range rank {
		columns[r]++
		tallest = max(tallest, columns[r])
	}
	g := Graph{Nodes: append([]GraphNode(nil), nodes...)}
	height := tallest*(NodeHeight+gapY) - gapY
	placed := map[int]int{}
	for i := range g.Nodes {
		r := rank[i]
		columnHeight := columns[r]*(NodeHeight+gapY) - gapY
		g.Nodes[i].X = margin + r*(NodeWidth+gapX)
		g.Nodes[i].Y = margin + (height-columnHeight)/2 + placed[r]*(NodeHeight+gapY)
		placed[r]++
	}
	if len(nodes) > 0 {
		g.Width = len(columns)*(NodeWidth+gapX) - gapX + 2*margin
		g.Height = height + 2*margin
	}
	g.Edges = edges(g.Nodes, byName, rank)
	return g
}

// LayoutDraft is Layout for a graph that may be wrong: what is circular is drawn, too.
func LayoutDraft(nodes []GraphNode) Graph {
	g := Layout(nodes)
	byName := map[string]GraphNode{}
	for _, n := range g.Nodes {
		byName[n.Name] = n
	}
	for _, n := range g.Nodes {
		for _, d := range n.DependsOn {
			from, ok := byName[d]
			if !ok || from.X < n.X || d == n.Name {
				continue
			}
			g.Edges = append(g.Edges, GraphEdge{
				X1: from.X + NodeWidth/2, Y1: from.Y + NodeHeight, X2: n.X + NodeWidth/2, Y2: n.Y + NodeHeight, Circular: true,
			})
		}
	}
	if slices.ContainsFunc(g.Edges, func(e GraphEdge) bool { return e.Circular }) {
		g.Height += NodeHeight / 2 // such edges hang below the nodes
	}
	return g
}

func ranks(nodes []GraphNode, byName map[string]int) []int {
	rank := make([]int, len(nodes))
	// As many rounds as nodes reach any chain; a circle stops growing there instead of never ending.
	for range nodes {
		changed := false
		for i, n := range nodes {
			for _, d := range n.DependsOn {
				j, ok := byName[d]
				if ok && j != i && rank[i] <= rank[j] && rank[j]+1 < len(nodes) {
					rank[i], changed = rank[j]+1, true
				}
			}
		}
		if !changed {
			break
		}
	}
	return compact(rank)
}

// compact removes empty columns.
func compact(rank []int) []int {
	seen := map[int]bool{}
	for _, r := range rank {
		seen[r] = true
	}
	used := make([]int, 0, len(seen))
	for r := range seen {
		used = append(used, r)
	}
	sort.Ints(used)
	for i, r := range rank {
		rank[i] = sort.SearchInts(used, r)
	}
	return rank
}

func edges(nodes []GraphNode, byName map[string]int, rank []int) []GraphEdge {
	var out []GraphEdge
	for i, n := range nodes {
		for _, d := range n.DependsOn {
			j, ok := byName[d]
			if !ok || rank[j] >= rank[i] {
				continue
			}
			from := nodes[j]
			out = append(out, GraphEdge{
				X1: from.X + NodeWidth, Y1: from.Y + NodeHeight/2,
				X2: n.X, Y2: n.Y + NodeHeight/2,
				Done:     from.Status == Deployed || from.Status == Succeeded || from.Exists,
				Active:   n.Status.Busy(),
				Inferred: slices.Contains(n.Inferred, d),
			})
		}
	}
	return out
}
