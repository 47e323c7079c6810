// Package sts is the sandbox's Security Token Service. It names the caller and
// hands out temporary keys; since the sandbox accepts every key, it checks
// nothing but that an assumed role exists. It must not know what keys are used for.
package sts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/core"
)

// roles finds a role by ARN.
type roles interface {
	RoleByARN(tx *core.Tx, arn string) (id string, ok bool)
}

// Service is STS.
type Service struct {
	env      *core.Env
	roles    roles
	sessions core.Collection[session]
}

// session is the role a temporary key stands for.
type session struct {
	AccessKey string
	ARN       string
	UserID    string
	Expires   time.Time
}

// New makes the service; roles is the identity service.
func New(env *core.Env, roles roles) *Service {
	return &Service{env: env, roles: roles, sessions: core.NewCollection[session]("sts", "session")}
}

// Spec describes the service to the front.
func (s *Service) Spec() core.Spec {
	return core.Spec{
		Name: "sts", Title: "Security Token Service", Protocol: core.ProtocolQuery, Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		Operations: map[string]core.Handler{
			"GetCallerIdentity":         s.getCallerIdentity,
			"AssumeRole":                s.assumeRole,
			"AssumeRoleWithWebIdentity": s.assumeRoleWithWebIdentity,
			"GetSessionToken":           s.getSessionToken,
		},
	}
}

func (s *Service) getCallerIdentity(_ context.Context, r *core.Request) (any, error) {
	type identity struct {
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string `xml:"Account"`
	}
	return core.Read(s.env.Store, func(tx *core.Tx) (any, error) {
		if v, ok := s.sessions.Get(tx, core.Global, r.AccessKey); ok {
			return identity{v.ARN, v.UserID, core.AccountID}, nil
		}
		return identity{core.ARN("iam", "", "user/sandbox"), callerID(r.AccessKey), core.AccountID}, nil
	})
}

// callerID makes a stable user id from any access key.
func callerID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "AIDA" + strings.ToUpper(fmt.Sprintf("%x", sum[:9]))[:17]
}

type credentials struct {
	AccessKey  string         `xml:"AccessKeyId"`
	SecretKey  string         `xml:"SecretAccessKey"`
	Token      string         `xml:"SessionToken"`
	Expiration core.Timestamp `xml:"Expiration"`
}

// issue makes temporary keys and remembers whom they stand for.
func (s *Service) issue(tx *core.Tx, arn, userID string, seconds int) credentials {
	now := s.env.Clock.Now()
	for _, old := range s.sessions.List(tx, core.Global) {
		if old.Expires.Before(now) {
			s.sessions.Delete(tx, core.Global, old.AccessKey)
		}
	}
	v := session{AccessKey: core.NewUniqueID("ASIA")[:20], ARN: arn, UserID: userID, Expires: now.Add(time.Duration(seconds) * time.Second)}
	s.sessions.Put(tx, core.Global, v.AccessKey, v)
	return credentials{
		AccessKey: v.AccessKey, SecretKey: core.Hex(40), Expiration: core.At(v.Expires),
		Token: base64.StdEncoding.EncodeToString([]byte(core.Hex(96))),
	}
}

type assumedUser struct {
	ARN string `xml:"Arn"`
	ID  string `xml:"AssumedRoleId"`
}

func (s *Service) assumeRole(_ context.Context, r *core.Request) (any, error) {
	type result struct {
		Credentials credentials `xml:"Credentials"`
		User        assumedUser `xml:"AssumedRoleUser"`
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (any, error) {
		c, u, err := s.assume(tx, r, "sts:AssumeRole")
		return result{c, u}, err
	})
}

func (s *Service) assumeRoleWithWebIdentity(_ context.Context, r *core.Request) (any, error) {
	type result struct {
		Credentials credentials `xml:"Credentials"`
		User        assumedUser `xml:"AssumedRoleUser"`
		Subject     string      `xml:"SubjectFromWebIdentityToken"`
	}
	if r.Form.Get("WebIdentityToken") == "" {
		return nil, core.Errorf("ValidationError", "The request must contain the parameter WebIdentityToken")
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (any, error) {
		c, u, err := s.assume(tx, r, "sts:AssumeRoleWithWebIdentity")
		return result{c, u, r.Form.Get("RoleSessionName")}, err
	})
}

func (s *Service) assume(tx *core.Tx, r *core.Request, action string) (credentials, assumedUser, error) {
	arn, name := r.Form.Get("RoleArn"), r.Form.Get("RoleSessionName")
	if arn == "" || name == "" {
		return credentials{}, assumedUser{}, core.Errorf("ValidationError", "The request must contain the parameters RoleArn and RoleSessionName")
	}
	seconds, err := duration(r, 3600)
	if err != nil {
		return credentials{}, assumedUser{}, err
	}
	id, ok := s.roles.RoleByARN(tx, arn)
	if !ok {
		// AWS does not tell a missing role from a forbidden one.
		return credentials{}, assumedUser{}, core.Errorf("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s (the sandbox has no such role)",
			core.ARN("iam", "", "user/sandbox"), action, arn).WithStatus(403)
	}
	role := arn[strings.LastIndex(arn, "/")+1:]
	user := assumedUser{ARN: core.ARN("sts", "", "assumed-role/"+role+"/"+name), ID: id + ":" + name}
	return s.issue(tx, user.ARN, user.ID, seconds), user, nil
}

func duration(r *core.Request, fallback int) (int, error) {
	seconds, err := r.Form.Int("DurationSeconds", fallback)
	if err != nil {
		return 0, err
	}
	if seconds < 900 || seconds > 129600 {
		return 0, core.Errorf("ValidationError", "DurationSeconds must be between 900 and 129600, not %d.", seconds)
	}
	return seconds, nil
}

func (s *Service) getSessionToken(_ context.Context, r *core.Request) (any, error) {
	type result struct {
		Credentials credentials `xml:"Credentials"`
	}
	seconds, err := duration(r, 43200)
	if err != nil {
		return nil, err
	}
	return core.Write(s.env.Store, func(tx *core.Tx) (any, error) {
		return result{s.issue(tx, core.ARN("iam", "", "user/sandbox"), callerID(r.AccessKey), seconds)}, nil
	})
}
