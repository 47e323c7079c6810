package httpapi

import (
	"context"
	"io"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
)

// uploadTime is how long sending an archive may take.
const uploadTime = 5 * time.Minute

// uploadInput is read as it comes: the service asks for permission before the first byte of it.
type uploadInput struct {
	Project string `path:"project"`

	content io.Reader
	limit   func() error
}

// Resolve keeps the body of the request.
func (in *uploadInput) Resolve(ctx huma.Context) []error {
	in.content = ctx.BodyReader()
	in.limit = func() error { return ctx.SetReadDeadline(time.Now().Add(uploadTime)) } //nolint:forbidigo // a deadline of the connection
	return nil
}

func wireUpload(u *template.Upload) api.Upload {
	return api.Upload{Digest: u.Digest, Files: u.Files, Size: u.Size, Folders: append([]string{}, u.Folders...)}
}

func (s *server) upload(ctx context.Context, in *uploadInput) (api.Upload, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Upload{}, err
	}
	if err := in.limit(); err != nil {
		s.Logger.DebugContext(ctx, "bounding the time of an upload", "error", err)
	}
	// An archive that is larger than what it may hold unpacked is refused without being read to its end.
	body := &boundedReader{r: in.content, left: bundle.DefaultLimits().Bytes}
	up, err := s.Templates.AddUpload(ctx, id, body)
	if body.left < 0 {
		return api.Upload{}, errArchiveTooLarge
	}
	if err != nil {
		return api.Upload{}, err
	}
	return wireUpload(up), nil
}

var errArchiveTooLarge = fault.New(fault.Invalid, bundle.CodeBadSource, "The archive is larger than 50 MB, which is the most that the code of a module may have. Pack only the folder of the module.")

// boundedReader ends after a number of bytes; left is negative when there were more.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// InUpload names an upload.
type InUpload struct {
	Project string `path:"project"`
	Digest  string `path:"digest"`
}

// getUpload also keeps the upload for another day: whoever asks is about to use it.
func (s *server) getUpload(ctx context.Context, in *InUpload) (api.Upload, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Upload{}, err
	}
	if _, err := s.Templates.HasUpload(ctx, id, in.Digest); err != nil {
		return api.Upload{}, err
	}
	up, err := s.Templates.Upload(ctx, id, in.Digest)
	if err != nil {
		return api.Upload{}, err
	}
	return wireUpload(up), nil
}

type readSourceInput struct {
	Project string `path:"project"`
	Body    api.ReadSource
}

func (s *server) readSource(ctx context.Context, in *readSourceInput) (api.SourceReading, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.SourceReading{}, err
	}
	from := in.Body.Source
	r, err := s.Templates.Read(ctx, id, template.ResourceSpec{
		Provider: template.Provider{Name: template.ProviderName(in.Body.Provider), Version: in.Body.Version},
		Source:   template.Source{Repository: from.Repository, Revision: from.Revision, Path: from.Path, Commit: from.Commit, Upload: from.Upload},
	})
	if err != nil {
		return api.SourceReading{}, err
	}
	return wireReading(r), nil
}

func wireReading(r *template.Reading) api.SourceReading {
	out := api.SourceReading{
		Source: api.Source{
			Repository: r.Source.Repository, Revision: r.Source.Revision, Path: r.Source.Path, Commit: r.Source.Commit, Upload: r.Source.Upload,
		},
		Variables: []api.ModuleVariable{}, Outputs: []api.ModuleOutput{}, Providers: []api.ModuleProvider{},
		Files: append([]string{}, r.Files...), Problems: append([]api.Problem{}, wireProblems(r.Problems)...),
	}
	for _, v := range r.Module.Variables {
		out.Variables = append(out.Variables, api.ModuleVariable{
			Name: v.Name, Type: v.TypeText, Description: v.Description, Required: !v.HasDefault, Sensitive: v.Sensitive, File: v.Pos.File, Line: v.Pos.Line,
		})
	}
	for _, o := range r.Module.Outputs {
		out.Outputs = append(out.Outputs, api.ModuleOutput{Name: o.Name, Description: o.Description, Sensitive: o.Sensitive})
	}
	for _, p := range r.Module.Providers {
		out.Providers = append(out.Providers, api.ModuleProvider{Name: p.Name, Source: p.Source, Version: p.Version})
	}
	return out
}

func (s *server) resourceSource(ctx context.Context, in *InAuthoredVersion) (func(huma.Context), error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return nil, err
	}
	archive, err := s.Templates.ResourceArchive(ctx, id, in.Name, in.Version)
	if err != nil {
		return nil, err
	}
	return s.send(ctx, archive), nil
}
