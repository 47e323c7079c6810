package web

import (
	"net/http"
	"strings"

	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/web/views"
)

// planPage shows what a plan run found.
func (s *server) planPage(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionEnvironments, "Plan of "+r.PathValue("environment"))
	if err != nil {
		return err
	}
	e, f, err := s.findRun(r)
	if err != nil {
		return err
	}
	found, err := s.Runs.Plan(r.Context(), f.ID)
	if err != nil {
		return err
	}
	v := views.PlanPage{Page: sc.Page, Environment: e.Name, EnvironmentURL: f.base, RunURL: f.url(), Number: f.Number, Status: runStatus(f.Status)}
	v.Sandbox = e.Sandbox
	for _, c := range found {
		change, shown := changeOf(c)
		if !shown {
			continue
		}
		switch change.Kind {
		case views.ChangeCreate:
			v.Create++
		case views.ChangeUpdate:
			v.Update++
		case views.ChangeReplace:
			v.Replace++
		case views.ChangeDestroy:
			v.Destroy++
		}
		v.Changes = append(v.Changes, change)
	}
	return render(w, r, http.StatusOK, PlanPage(v))
}

// changeOf leaves out what is only read or forgotten.
func changeOf(c run.Change) (views.Change, bool) {
	v := views.Change{Resource: c.Resource, Address: c.Address, Label: plainType(c.Type)}
	switch runner.ObjectAction(c.Action) {
	case runner.ObjectCreate:
		v.Kind = views.ChangeCreate
	case runner.ObjectUpdate:
		v.Kind = views.ChangeUpdate
	case runner.ObjectReplace:
		v.Kind = views.ChangeReplace
	case runner.ObjectDelete:
		v.Kind = views.ChangeDestroy
	case runner.ObjectRead, runner.ObjectForget, runner.ObjectImport, runner.ObjectMove, runner.ObjectNoop:
		return v, false
	}
	var forces []string
	for _, a := range c.Attributes {
		v.Attributes = append(v.Attributes, views.AttributeChange{
			Name: a.Path, Old: jsonText(a.Before), New: jsonText(a.After), Unknown: a.Unknown, Sensitive: a.Sensitive, Forces: a.Replaces,
		})
		if a.Replaces {
			forces = append(forces, a.Path)
		}
	}
	v.DataLoss = holdsData(c.Type) && (v.Kind == views.ChangeReplace || v.Kind == views.ChangeDestroy)
	if len(forces) > 0 {
		v.Why = strings.Join(forces, ", ") + " can only be set when it is created"
	} else if v.DataLoss {
		v.Why = "it is deleted with what is in it"
	}
	return v, true
}

// holdsData says that an object of this type keeps what people put into it, which is lost with it.
func holdsData(t string) bool {
	switch t {
	case "aws_db_instance", "aws_rds_cluster", "aws_dynamodb_table", "aws_s3_bucket", "aws_efs_file_system", "aws_ebs_volume",
		"aws_elasticache_cluster", "aws_sqs_queue", "aws_ecr_repository", "aws_secretsmanager_secret", "aws_kms_key":
		return true
	}
	return false
}
