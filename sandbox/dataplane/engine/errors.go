package engine

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound is returned for a container or task that does not exist.
	ErrNotFound = errors.New("no such container")
	// ErrRefused is returned for what the sandbox does not permit on purpose:
	// privileged containers and volumes of the host.
	ErrRefused = errors.New("refused by the sandbox")
	// ErrNotListening is returned by Dial when nothing accepts on that port.
	ErrNotListening = errors.New("nothing listens on that port")
)

// ImageErrorKind sorts the reasons why an image cannot be had.
type ImageErrorKind string

const (
	ImageInvalid     ImageErrorKind = "invalid"     // the reference is malformed
	ImageNotFound    ImageErrorKind = "not-found"   // no such repository or tag
	ImageDenied      ImageErrorKind = "denied"      // the registry wants (other) credentials
	ImageUnreachable ImageErrorKind = "unreachable" // the registry did not answer
	ImagePlatform    ImageErrorKind = "platform"    // nothing for this machine's platform
	ImageBroken      ImageErrorKind = "broken"      // it arrived and cannot be unpacked
)

// ImageError tells why an image cannot be had. Its text names the image and the
// cause, without a prefix: ECS puts "CannotPullContainerError: " before it.
type ImageError struct {
	Kind ImageErrorKind
	Ref  string
	Err  error
}

func (e *ImageError) Error() string {
	switch e.Kind {
	case ImageInvalid:
		return fmt.Sprintf("invalid reference format: %s: %v", e.Ref, e.Err)
	case ImageNotFound:
		return fmt.Sprintf("failed to resolve ref %s: %s: not found", e.Ref, e.Ref)
	case ImageDenied:
		return fmt.Sprintf("pull access denied for %s, repository does not exist or may require authorization: %v", e.Ref, e.Err)
	case ImageUnreachable:
		return fmt.Sprintf("failed to resolve ref %s: the registry cannot be reached: %v", e.Ref, e.Err)
	case ImagePlatform:
		return fmt.Sprintf("image %s has no manifest for this platform: %v", e.Ref, e.Err)
	case ImageBroken:
		return fmt.Sprintf("failed to unpack image %s: %v", e.Ref, e.Err)
	}
	return fmt.Sprintf("image %s: %v", e.Ref, e.Err)
}

func (e *ImageError) Unwrap() error { return e.Err }

// StartError tells that a container was made and its command could not be run:
// ECS shows it as "CannotStartContainerError: ...".
type StartError struct {
	Command string
	Err     error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("unable to start container process: exec: %q: %v", e.Command, e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }
