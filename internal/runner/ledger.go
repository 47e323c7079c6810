package runner

import (
	"sort"
	"strings"

	"github.com/berthdev/berth/internal/tofu"
)

// ledger folds journal entries, oldest first, into what must exist: objects whose creation was finished, and objects
// whose creation was only started.
type ledger struct {
	order int
	live  map[objectKey]*ledgerObject // finished and not deleted since
	doubt map[string]*ledgerObject    // by address: started, outcome unknown
	gone  map[objectKey]bool          // deletion was finished
}

type objectKey struct{ address, id string }

type ledgerObject struct {
	address, id, typ, provider string
	prior                      string // id of what the state held under the address when the creation began
	attempt                    int
	order                      int
}

func newLedger() *ledger {
	return &ledger{live: map[objectKey]*ledgerObject{}, doubt: map[string]*ledgerObject{}, gone: map[objectKey]bool{}}
}

func (l *ledger) add(e JournalEntry) {
	l.order++
	key := objectKey{e.Address, e.ID}
	o := &ledgerObject{address: e.Address, id: e.ID, typ: e.Type, provider: e.Provider, prior: e.PriorID, attempt: e.Attempt, order: l.order}
	creates := e.Action == ObjectCreate || e.Action == ObjectReplace
	switch e.Op {
	case JournalStart:
		if creates {
			l.doubt[e.Address] = o
		}
	case JournalError:
		// The provider may have made it before it failed. The tool then holds it in its state, if it came to save that.
	case JournalFinish:
		switch e.Action {
		case ObjectDelete:
			delete(l.live, key)
			l.gone[key] = true
		case ObjectForget:
			delete(l.live, key)
		case ObjectCreate, ObjectReplace, ObjectUpdate, ObjectImport:
			if creates {
				delete(l.doubt, e.Address)
			}
			if e.ID != "" {
				delete(l.gone, key)
				l.live[key] = o
			}
		case ObjectRead, ObjectMove, ObjectNoop:
		}
	case JournalSettled:
		if e.ID == "" {
			delete(l.doubt, e.Address)
		} else {
			delete(l.live, key)
		}
	}
}

// settleDoubts forgets what an attempt started and did not finish, when its tool came to its end by itself.
func (l *ledger) settleDoubts(attempt int) {
	for a, o := range l.doubt {
		if o.attempt == attempt {
			delete(l.doubt, a)
		}
	}
}

// compare lists, in the order of the journal, what the state lacks: finished objects, and objects in doubt. The same
// id under another address is the same object, moved. An id alone is not enough of a match, because ids are unique
// only within a type.
func (l *ledger) compare(objects []tofu.Object) (missing, doubts []*ledgerObject) {
	ids, current := map[objectKey]bool{}, map[string]string{}
	for _, o := range objects {
		ids[objectKey{o.Type, o.ID}] = true
		if !o.Deposed {
			current[o.Address] = o.ID
		}
	}
	for _, o := range l.live {
		if !ids[objectKey{o.typ, o.id}] {
			missing = append(missing, o)
		}
	}
	for _, o := range l.doubt {
		// An entry in the state says that the tool did get an answer, unless it is the object being replaced.
		if id, ok := current[o.address]; !ok || (o.prior != "" && id == o.prior) {
			doubts = append(doubts, o)
		}
	}
	byOrder := func(s []*ledgerObject) { sort.Slice(s, func(i, j int) bool { return s[i].order < s[j].order }) }
	byOrder(missing)
	byOrder(doubts)
	return missing, doubts
}

// stateOnly types have nothing outside the state, so there is nothing to find or to lose.
func stateOnly(typ string) bool {
	switch typ {
	case "terraform_data", "null_resource":
		return true
	}
	return strings.HasPrefix(typ, "random_") || strings.HasPrefix(typ, "time_") || strings.HasPrefix(typ, "tls_")
}
