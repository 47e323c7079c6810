package core

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Note is something the sandbox's page should tell, for example that a
// stand-in image is used. Key makes a note replace an earlier one.
type Note struct {
	Service string `json:"service"`
	Key     string `json:"key"`
	Text    string `json:"text"`
}

// Notes holds the current notes.
type Notes struct {
	mu    sync.Mutex
	notes map[string]Note
}

// Set adds or replaces a note; an empty text removes it.
func (n *Notes) Set(service, key, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes == nil {
		n.notes = map[string]Note{}
	}
	if text == "" {
		delete(n.notes, service+"/"+key)
		return
	}
	n.notes[service+"/"+key] = Note{Service: service, Key: key, Text: text}
}

// All lists the notes by service and key.
func (n *Notes) All() []Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Note, 0, len(n.notes))
	for _, note := range n.notes {
		out = append(out, note)
	}
	slices.SortFunc(out, func(a, b Note) int { return strings.Compare(a.Service+"/"+a.Key, b.Service+"/"+b.Key) })
	return out
}

// Event is something that happened inside the sandbox.
type Event struct {
	Time     time.Time `json:"time"`
	Service  string    `json:"service"`
	Resource string    `json:"resource"`
	Message  string    `json:"message"`
}

// keptEvents is how many events are remembered.
const keptEvents = 500

// Events remembers what happened last.
type Events struct {
	mu     sync.Mutex
	events []Event
}

// Add records an event.
func (e *Events) Add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, event)
	if len(e.events) > keptEvents {
		e.events = slices.Delete(e.events, 0, len(e.events)-keptEvents)
	}
}

// All lists the events, oldest first.
func (e *Events) All() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.events)
}
