package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
	"github.com/berthdev/berth/sandbox/dataplane/image"
)

type scanning struct {
	ScanOnPush bool `json:"scanOnPush"`
}

type repositoryInput struct {
	RepositoryName     string      `json:"repositoryName"`
	RepositoryNames    []string    `json:"repositoryNames"`
	Tags               []tag       `json:"tags"`
	ImageTagMutability string      `json:"imageTagMutability"`
	Scanning           *scanning   `json:"imageScanningConfiguration"`
	Encryption         *encryption `json:"encryptionConfiguration"`
	Force              bool        `json:"force"`
	NextToken          string      `json:"nextToken"`
	MaxResults         int         `json:"maxResults"`
	LifecyclePolicy    string      `json:"lifecyclePolicyText"`
	Policy             string      `json:"policyText"`
	ResourceARN        string      `json:"resourceArn"`
	TagKeys            []string    `json:"tagKeys"`
}

type repositoryOutput struct {
	ARN                string         `json:"repositoryArn"`
	RegistryID         string         `json:"registryId"`
	Name               string         `json:"repositoryName"`
	URI                string         `json:"repositoryUri"`
	CreatedAt          core.Timestamp `json:"createdAt"`
	ImageTagMutability string         `json:"imageTagMutability"`
	Scanning           scanning       `json:"imageScanningConfiguration"`
	Encryption         encryption     `json:"encryptionConfiguration"`
}

func (s *Service) output(v repository) repositoryOutput {
	return repositoryOutput{
		ARN: v.arn(), RegistryID: core.AccountID, Name: v.Name, URI: s.env.Addr + "/" + v.Name, CreatedAt: core.At(v.Created),
		ImageTagMutability: v.Mutability, Scanning: scanning{v.ScanOnPush}, Encryption: v.Encryption,
	}
}

type oneRepository struct {
	Repository repositoryOutput `json:"repository"`
}

func (s *Service) createRepository(_ context.Context, r *core.Request, in repositoryInput) (oneRepository, error) {
	if len(in.RepositoryName) < 2 || len(in.RepositoryName) > 256 || !repositoryName.MatchString(in.RepositoryName) {
		return oneRepository{}, core.Errorf("InvalidParameterException", "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''")
	}
	v := repository{Name: in.RepositoryName, Region: r.Region, Mutability: in.ImageTagMutability, Tags: toTags(in.Tags), Created: s.env.Clock.Now(), Encryption: encryption{Type: "AES256"}}
	if v.Mutability == "" {
		v.Mutability = "MUTABLE"
	}
	if in.Scanning != nil {
		v.ScanOnPush = in.Scanning.ScanOnPush
	}
	if in.Encryption != nil {
		v.Encryption = *in.Encryption
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (oneRepository, error) {
		if s.repositories.Has(tx, r.Region, v.Name) {
			return oneRepository{}, core.Errorf("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", v.Name, core.AccountID)
		}
		s.repositories.Put(tx, r.Region, v.Name, v)
		return oneRepository{s.output(v)}, nil
	})
}

type describeRepositoriesOutput struct {
	Repositories []repositoryOutput `json:"repositories"`
	NextToken    string             `json:"nextToken,omitempty"`
}

func (s *Service) describeRepositories(_ context.Context, r *core.Request, in repositoryInput) (describeRepositoriesOutput, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (describeRepositoriesOutput, error) {
		out := describeRepositoriesOutput{Repositories: []repositoryOutput{}}
		for _, name := range in.RepositoryNames {
			v, ok := s.repositories.Get(tx, r.Region, name)
			if !ok {
				return out, notFound(name)
			}
			out.Repositories = append(out.Repositories, s.output(v))
		}
		if len(in.RepositoryNames) > 0 {
			return out, nil
		}
		if in.MaxResults <= 0 {
			in.MaxResults = 100
		}
		page, next, err := core.Page(s.repositories.List(tx, r.Region), func(v repository) string { return v.Name }, in.NextToken, in.MaxResults)
		for _, v := range page {
			out.Repositories = append(out.Repositories, s.output(v))
		}
		out.NextToken = next
		return out, err
	})
}

func (s *Service) deleteRepository(_ context.Context, r *core.Request, in repositoryInput) (oneRepository, error) {
	v, err := s.find(r, in.RepositoryName)
	if err != nil {
		return oneRepository{}, err
	}
	if !in.Force && len(s.images.List(v.Name)) > 0 {
		return oneRepository{}, core.Errorf("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", v.Name, core.AccountID)
	}
	if err := s.images.DeleteRepository(v.Name); err != nil {
		return oneRepository{}, err
	}
	return oneRepository{s.output(v)}, s.env.Store.Update(func(tx *core.Tx) error {
		s.repositories.Delete(tx, r.Region, v.Name)
		return nil
	})
}

func (s *Service) find(r *core.Request, name string) (repository, error) {
	return core.Read(s.env.Store, func(tx *core.Tx) (repository, error) {
		v, ok := s.repositories.Get(tx, r.Region, name)
		if !ok {
			return v, notFound(name)
		}
		return v, nil
	})
}

// change applies a change to a repository that must exist.
func (s *Service) change(r *core.Request, name string, f func(v *repository)) (repository, error) {
	return core.Write(s.env.Store, func(tx *core.Tx) (repository, error) {
		v, ok := s.repositories.Get(tx, r.Region, name)
		if !ok {
			return v, notFound(name)
		}
		f(&v)
		s.repositories.Put(tx, r.Region, name, v)
		return v, nil
	})
}

type settingsOutput struct {
	RegistryID         string    `json:"registryId"`
	RepositoryName     string    `json:"repositoryName"`
	ImageTagMutability string    `json:"imageTagMutability,omitempty"`
	Scanning           *scanning `json:"imageScanningConfiguration,omitempty"`
	LifecyclePolicy    string    `json:"lifecyclePolicyText,omitempty"`
	Policy             string    `json:"policyText,omitempty"`
}

func settings(v repository) settingsOutput {
	return settingsOutput{RegistryID: core.AccountID, RepositoryName: v.Name}
}

func (s *Service) putImageScanningConfiguration(_ context.Context, r *core.Request, in repositoryInput) (settingsOutput, error) {
	v, err := s.change(r, in.RepositoryName, func(v *repository) { v.ScanOnPush = in.Scanning != nil && in.Scanning.ScanOnPush })
	out := settings(v)
	out.Scanning = &scanning{v.ScanOnPush}
	return out, err
}

func (s *Service) putImageTagMutability(_ context.Context, r *core.Request, in repositoryInput) (settingsOutput, error) {
	v, err := s.change(r, in.RepositoryName, func(v *repository) { v.Mutability = in.ImageTagMutability })
	out := settings(v)
	out.ImageTagMutability = v.Mutability
	return out, err
}

// Policies are kept and handed back; the sandbox does not act on them.

func policy(v repository, text, code, what string) (string, error) {
	if text == "" {
		return "", core.Errorf(code, "%s does not exist for the repository with name '%s' in the registry with id '%s'", what, v.Name, core.AccountID)
	}
	return text, nil
}

func checkJSON(text string) error {
	if !json.Valid([]byte(text)) {
		return core.Errorf("InvalidParameterException", "Invalid parameter: the policy text is not valid JSON")
	}
	return nil
}

func (s *Service) getLifecyclePolicy(_ context.Context, r *core.Request, in repositoryInput) (out settingsOutput, err error) {
	v, err := s.find(r, in.RepositoryName)
	if err == nil {
		out = settings(v)
		out.LifecyclePolicy, err = policy(v, v.LifecyclePolicy, "LifecyclePolicyNotFoundException", "Lifecycle policy")
	}
	return out, err
}

func (s *Service) putLifecyclePolicy(_ context.Context, r *core.Request, in repositoryInput) (settingsOutput, error) {
	if err := checkJSON(in.LifecyclePolicy); err != nil {
		return settingsOutput{}, err
	}
	v, err := s.change(r, in.RepositoryName, func(v *repository) { v.LifecyclePolicy = in.LifecyclePolicy })
	out := settings(v)
	out.LifecyclePolicy = v.LifecyclePolicy
	return out, err
}

func (s *Service) deleteLifecyclePolicy(ctx context.Context, r *core.Request, in repositoryInput) (settingsOutput, error) {
	out, err := s.getLifecyclePolicy(ctx, r, in)
	if err != nil {
		return out, err
	}
	_, err = s.change(r, in.RepositoryName, func(v *repository) { v.LifecyclePolicy = "" })
	return out, err
}

func (s *Service) getRepositoryPolicy(_ context.Context, r *core.Request, in repositoryInput) (out settingsOutput, err error) {
	v, err := s.find(r, in.RepositoryName)
	if err == nil {
		out = settings(v)
		out.Policy, err = policy(v, v.Policy, "RepositoryPolicyNotFoundException", "Repository policy")
	}
	return out, err
}

func (s *Service) setRepositoryPolicy(_ context.Context, r *core.Request, in repositoryInput) (settingsOutput, error) {
	if err := checkJSON(in.Policy); err != nil {
		return settingsOutput{}, err
	}
	v, err := s.change(r, in.RepositoryName, func(v *repository) { v.Policy = in.Policy })
	out := settings(v)
	out.Policy = v.Policy
	return out, err
}

func (s *Service) deleteRepositoryPolicy(ctx context.Context, r *core.Request, in repositoryInput) (settingsOutput, error) {
	out, err := s.getRepositoryPolicy(ctx, r, in)
	if err != nil {
		return out, err
	}
	_, err = s.change(r, in.RepositoryName, func(v *repository) { v.Policy = "" })
	return out, err
}

type authorization struct {
	Token         string         `json:"authorizationToken"`
	ExpiresAt     core.Timestamp `json:"expiresAt"`
	ProxyEndpoint string         `json:"proxyEndpoint"`
}

type authorizationOutput struct {
	Data []authorization `json:"authorizationData"`
}

func (s *Service) getAuthorizationToken(context.Context, *core.Request, empty) (authorizationOutput, error) {
	return authorizationOutput{[]authorization{{
		Token:     base64.StdEncoding.EncodeToString([]byte(userName + ":" + s.token())),
		ExpiresAt: core.At(s.env.Clock.Now().Add(12 * time.Hour)), ProxyEndpoint: "http://" + s.env.Addr,
	}}}, nil
}

func nameOf(arn string) string {
	_, name, _ := strings.Cut(arn, ":repository/")
	return name
}

type tagsOutput struct {
	Tags []tag `json:"tags"`
}

func (s *Service) listTagsForResource(_ context.Context, r *core.Request, in repositoryInput) (tagsOutput, error) {
	v, err := s.find(r, nameOf(in.ResourceARN))
	out := tagsOutput{Tags: []tag{}}
	for _, t := range v.Tags.Sorted() {
		out.Tags = append(out.Tags, tag(t))
	}
	return out, err
}

func (s *Service) tagResource(_ context.Context, r *core.Request, in repositoryInput) (empty, error) {
	_, err := s.change(r, nameOf(in.ResourceARN), func(v *repository) { v.Tags = v.Tags.With(toTags(in.Tags), nil) })
	return empty{}, err
}

func (s *Service) untagResource(_ context.Context, r *core.Request, in repositoryInput) (empty, error) {
	_, err := s.change(r, nameOf(in.ResourceARN), func(v *repository) { v.Tags = v.Tags.With(nil, in.TagKeys) })
	return empty{}, err
}

func (s *Service) getRegistryPolicy(context.Context, *core.Request, empty) (empty, error) {
	return empty{}, core.Errorf("RegistryPolicyNotFoundException", "Registry policy does not exist in the registry with id '%s'", core.AccountID)
}

type registryScanningOutput struct {
	RegistryID string         `json:"registryId"`
	Scanning   map[string]any `json:"scanningConfiguration"`
}

func (s *Service) getRegistryScanningConfiguration(context.Context, *core.Request, empty) (registryScanningOutput, error) {
	return registryScanningOutput{core.AccountID, map[string]any{"scanType": "BASIC", "rules": []any{}}}, nil
}

type registryOutput struct {
	RegistryID  string         `json:"registryId"`
	Replication map[string]any `json:"replicationConfiguration"`
}

func (s *Service) describeRegistry(context.Context, *core.Request, empty) (registryOutput, error) {
	return registryOutput{core.AccountID, map[string]any{"rules": []any{}}}, nil
}

// imageID names an image by digest or tag.
type imageID struct {
	Digest string `json:"imageDigest,omitempty"`
	Tag    string `json:"imageTag,omitempty"`
}

type imagesInput struct {
	RepositoryName string    `json:"repositoryName"`
	ImageIDs       []imageID `json:"imageIds"`
}

type listImagesOutput struct {
	ImageIDs []imageID `json:"imageIds"`
}

func (s *Service) listImages(_ context.Context, r *core.Request, in imagesInput) (listImagesOutput, error) {
	out := listImagesOutput{ImageIDs: []imageID{}}
	if _, err := s.find(r, in.RepositoryName); err != nil {
		return out, err
	}
	for _, stored := range s.images.List(in.RepositoryName) {
		if len(stored.Tags) == 0 {
			out.ImageIDs = append(out.ImageIDs, imageID{Digest: stored.Digest})
		}
		for _, t := range stored.Tags {
			out.ImageIDs = append(out.ImageIDs, imageID{stored.Digest, t})
		}
	}
	return out, nil
}

type imageDetail struct {
	RegistryID     string         `json:"registryId"`
	RepositoryName string         `json:"repositoryName"`
	Digest         string         `json:"imageDigest"`
	Tags           []string       `json:"imageTags,omitempty"`
	Size           int64          `json:"imageSizeInBytes"`
	PushedAt       core.Timestamp `json:"imagePushedAt"`
	MediaType      string         `json:"imageManifestMediaType"`
}

type describeImagesOutput struct {
	Details []imageDetail `json:"imageDetails"`
}

func (s *Service) describeImages(_ context.Context, r *core.Request, in imagesInput) (describeImagesOutput, error) {
	out := describeImagesOutput{Details: []imageDetail{}}
	if _, err := s.find(r, in.RepositoryName); err != nil {
		return out, err
	}
	stored := s.images.List(in.RepositoryName)
	for _, id := range in.ImageIDs {
		if !slices.ContainsFunc(stored, func(v image.Stored) bool { return id.names(v) }) {
			return out, core.Errorf("ImageNotFoundException", "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
				id.Digest, id.Tag, in.RepositoryName, core.AccountID)
		}
	}
	for _, v := range stored {
		if len(in.ImageIDs) > 0 && !slices.ContainsFunc(in.ImageIDs, func(id imageID) bool { return id.names(v) }) {
			continue
		}
		out.Details = append(out.Details, imageDetail{
			RegistryID: core.AccountID, RepositoryName: in.RepositoryName, Digest: v.Digest, Tags: v.Tags, Size: v.Size,
			PushedAt: core.At(time.Unix(v.PushedAt, 0)), MediaType: v.MediaType,
		})
	}
	return out, nil
}

type imageFailure struct {
	ID     imageID `json:"imageId"`
	Code   string  `json:"failureCode"`
	Reason string  `json:"failureReason"`
}

type batchDeleteOutput struct {
	ImageIDs []imageID      `json:"imageIds"`
	Failures []imageFailure `json:"failures"`
}

func (s *Service) batchDeleteImage(_ context.Context, r *core.Request, in imagesInput) (batchDeleteOutput, error) {
	out := batchDeleteOutput{ImageIDs: []imageID{}, Failures: []imageFailure{}}
	if _, err := s.find(r, in.RepositoryName); err != nil {
		return out, err
	}
	for _, id := range in.ImageIDs {
		reference := id.Tag
		if reference == "" {
			reference = id.Digest
		}
		if s.images.Delete(in.RepositoryName, reference) {
			out.ImageIDs = append(out.ImageIDs, id)
		} else {
			out.Failures = append(out.Failures, imageFailure{id, "ImageNotFound", "Requested image not found"})
		}
	}
	return out, nil
}

func (id imageID) names(v image.Stored) bool {
	return (id.Digest == "" || id.Digest == v.Digest) && (id.Tag == "" || slices.Contains(v.Tags, id.Tag))
}
