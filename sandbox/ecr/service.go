// Package ecr is the sandbox's Elastic Container Registry: repositories, their
// settings and their images. The registry that docker pushes to and pulls from is
// the data plane's; this service decides who may.
//
// It must not know how images are stored.
package ecr

import (
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane/image"
)

// registry is the store of images; tests bring their own.
type registry interface {
	List(repository string) []image.Stored
	Delete(repository, reference string) bool
	DeleteRepository(repository string) error
}

// Service answers ECR calls.
type Service struct {
	env          *core.Env
	images       registry
	distribution http.Handler
	repositories core.Collection[repository]
}

// New makes the service. distribution serves the registry's own protocol.
func New(env *core.Env, images registry, distribution http.Handler) *Service {
	return &Service{env: env, images: images, distribution: distribution, repositories: core.NewCollection[repository]("ecr", "repository")}
}

// Spec says how the service is called.
func (s *Service) Spec() core.Spec {
	return core.Spec{
		Name: "ecr", Title: "Elastic Container Registry", Protocol: core.ProtocolJSON11, TargetPrefix: "AmazonEC2ContainerRegistry_V20150921",
		Operations: map[string]core.Handler{
			"CreateRepository":                 core.JSON(s.createRepository),
			"DescribeRepositories":             core.JSON(s.describeRepositories),
			"DeleteRepository":                 core.JSON(s.deleteRepository),
			"PutImageScanningConfiguration":    core.JSON(s.putImageScanningConfiguration),
			"PutImageTagMutability":            core.JSON(s.putImageTagMutability),
			"GetAuthorizationToken":            core.JSON(s.getAuthorizationToken),
			"ListImages":                       core.JSON(s.listImages),
			"DescribeImages":                   core.JSON(s.describeImages),
			"BatchDeleteImage":                 core.JSON(s.batchDeleteImage),
			"GetLifecyclePolicy":               core.JSON(s.getLifecyclePolicy),
			"PutLifecyclePolicy":               core.JSON(s.putLifecyclePolicy),
			"DeleteLifecyclePolicy":            core.JSON(s.deleteLifecyclePolicy),
			"GetRepositoryPolicy":              core.JSON(s.getRepositoryPolicy),
			"SetRepositoryPolicy":              core.JSON(s.setRepositoryPolicy),
			"DeleteRepositoryPolicy":           core.JSON(s.deleteRepositoryPolicy),
			"TagResource":                      core.JSON(s.tagResource),
			"UntagResource":                    core.JSON(s.untagResource),
			"ListTagsForResource":              core.JSON(s.listTagsForResource),
			"GetRegistryPolicy":                core.JSON(s.getRegistryPolicy),
			"GetRegistryScanningConfiguration": core.JSON(s.getRegistryScanningConfiguration),
			"DescribeRegistry":                 core.JSON(s.describeRegistry),
		},
	}
}

// Routes serves the registry's protocol beside AWS's.
func (s *Service) Routes() map[string]http.Handler {
	return map[string]http.Handler{"/v2/": s.distribution}
}

// userName is what docker signs in with; the password is the account's token.
const userName = "AWS"

func (s *Service) token() string {
	return base64.StdEncoding.EncodeToString([]byte("sandbox:" + core.AccountID))
}

// Authorize lets in who signed in with the token of GetAuthorizationToken.
func (s *Service) Authorize(r *http.Request, _ string, _ image.Verb) error {
	user, password, ok := r.BasicAuth()
	if !ok || user != userName || password != s.token() {
		return errors.New("sign in with the token of aws ecr get-login-password, user name AWS")
	}
	return nil
}

// RepositoryExists reports whether a repository was created in any region: the
// registry has one address for all of them.
func (s *Service) RepositoryExists(name string) bool {
	found, err := core.Read(s.env.Store, func(tx *core.Tx) (bool, error) {
		for _, region := range s.repositories.Scopes(tx) {
			if s.repositories.Has(tx, region, name) {
				return true, nil
			}
		}
		return false, nil
	})
	return err == nil && found
}

type repository struct {
	Name, Region    string
	Mutability      string
	ScanOnPush      bool
	Encryption      encryption
	LifecyclePolicy string
	Policy          string
	Tags            core.Tags
	Created         time.Time
}

type encryption struct {
	Type   string `json:"encryptionType"`
	KMSKey string `json:"kmsKey,omitempty"`
}

func (v repository) arn() string { return core.ARN("ecr", v.Region, "repository/"+v.Name) }

var repositoryName = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

type empty struct{}

type tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

func toTags(list []tag) core.Tags {
	out := core.Tags{}
	for _, t := range list {
		out[t.Key] = t.Value
	}
	return out
}

func notFound(name string) *core.Error {
	return core.Errorf("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", name, core.AccountID)
}

// Inventory lists the repositories.
func (s *Service) Inventory(tx *core.Tx) map[string][]core.Item {
	var items []core.Item
	for _, v := range s.repositories.All(tx) {
		items = append(items, core.Item{ID: v.Name, ARN: v.arn(), Name: v.Name, Tags: v.Tags})
	}
	return map[string][]core.Item{"repository": items}
}

// TaggedResources lists a region's repositories with their tags.
func (s *Service) TaggedResources(tx *core.Tx, region string) []core.Item {
	var items []core.Item
	for _, v := range s.repositories.List(tx, region) {
		items = append(items, core.Item{ID: v.Name, ARN: v.arn(), Name: v.Name, Tags: v.Tags})
	}
	return items
}

// SetTags changes the tags of the repository with this ARN.
func (s *Service) SetTags(tx *core.Tx, arn string, set core.Tags, unset []string) (bool, error) {
	_, name, _ := strings.Cut(arn, ":repository/")
	for _, v := range s.repositories.All(tx) {
		if v.Name == name && v.arn() == arn {
			v.Tags = v.Tags.With(set, unset)
			s.repositories.Put(tx, v.Region, v.Name, v)
			return true, nil
		}
	}
	return false, nil
}
