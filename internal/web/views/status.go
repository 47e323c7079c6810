package views

// Status is the state of an environment, a resource, a run or a step, by the name the API uses.
type Status string

// Statuses. Environments and resources use the first group, runs and steps the second, objects
// inside a step the third.
const (
	Draft       Status = "draft"
	Queued      Status = "queued"
	Deploying   Status = "deploying"
	Waiting     Status = "waiting"
	Deployed    Status = "deployed"
	Drifted     Status = "drifted"
	Failed      Status = "failed"
	Destroying  Status = "destroying"
	Destroyed   Status = "destroyed"
	Unreachable Status = "unreachable"

	Pending   Status = "pending"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Skipped   Status = "skipped"
	Canceled  Status = "canceled"

	Planned   Status = "planned"
	Creating  Status = "creating"
	Updating  Status = "updating"
	Replacing Status = "replacing"
	Deleting  Status = "deleting"
	Done      Status = "done"
)

// EnvironmentStatuses are the statuses an environment can be filtered by, in the order of its life.
func EnvironmentStatuses() []Status {
	return []Status{Draft, Queued, Deploying, Waiting, Deployed, Drifted, Failed, Destroying, Destroyed, Unreachable}
}

// Look is how a status is drawn, everywhere the same.
type Look struct {
	Label string
	Icon  string
	Tone  string // a class: tone-grey, tone-blue, tone-amber, tone-green, tone-red
	Spin  bool
}

// Look gives the word, icon and colour of the status.
func (s Status) Look() Look {
	switch s {
	case Draft:
		return Look{"Draft", "circle-dashed", "tone-grey", false}
	case Queued:
		return Look{"Queued", "clock", "tone-grey", false}
	case Deploying:
		return Look{"Deploying", "loader-circle", "tone-blue", true}
	case Waiting:
		return Look{"Waiting for approval", "hand", "tone-amber", false}
	case Deployed:
		return Look{"Deployed", "circle-check", "tone-green", false}
	case Drifted:
		return Look{"Drifted", "waves", "tone-amber", false}
	case Failed:
		return Look{"Failed", "circle-x", "tone-red", false}
	case Destroying:
		return Look{"Destroying", "loader-circle", "tone-blue", true}
	case Destroyed:
		return Look{"Destroyed", "circle-slash", "tone-grey", false}
	case Unreachable:
		return Look{"Unreachable", "unplug", "tone-red", false}
	case Pending:
		return Look{"Not started", "circle-dashed", "tone-grey", false}
	case Running:
		return Look{"Running", "loader-circle", "tone-blue", true}
	case Succeeded:
		return Look{"Succeeded", "circle-check", "tone-green", false}
	case Skipped:
		return Look{"Skipped", "circle-slash", "tone-grey", false}
	case Canceled:
		return Look{"Canceled", "circle-slash", "tone-grey", false}
	case Planned:
		return Look{"Planned", "circle-dashed", "tone-grey", false}
	case Creating:
		return Look{"Creating", "loader-circle", "tone-blue", true}
	case Updating:
		return Look{"Changing", "loader-circle", "tone-blue", true}
	case Replacing:
		return Look{"Replacing", "loader-circle", "tone-blue", true}
	case Deleting:
		return Look{"Deleting", "loader-circle", "tone-blue", true}
	case Done:
		return Look{"Done", "circle-check", "tone-green", false}
	}
	return Look{string(s), "circle-dashed", "tone-grey", false}
}

// Busy says that work is going on.
func (s Status) Busy() bool {
	return s.Look().Spin
}
