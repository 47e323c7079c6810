// Package awsapi sends single calls to AWS, or to something that answers like it, with static keys. It is for the
// supervisor, which is started for every step and would pay for service clients at each start. It must not know what
// the calls are about, and it keeps no answer.
package awsapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Access is an account and how to reach it.
type Access struct {
	Keys     aws.Credentials
	Region   string
	Endpoint string // of everything; empty means AWS itself
}

// FromEnv takes static keys only: profiles and roles to assume are in files and settings of the provider, and
// guessing at them could ask the wrong account. The region may be missing.
func FromEnv(env map[string]string) (Access, bool) {
	a := Access{
		Keys: aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"],
			SessionToken: env["AWS_SESSION_TOKEN"]},
		Region:   cmp.Or(env["AWS_REGION"], env["AWS_DEFAULT_REGION"]),
		Endpoint: env["AWS_ENDPOINT_URL"],
	}
	return a, a.Keys.AccessKeyID != "" && a.Keys.SecretAccessKey != ""
}

// In returns the same access in another region.
func (a Access) In(region string) Access {
	a.Region = cmp.Or(region, a.Region)
	return a
}

// Call is one request: Form for the query protocol, Target and Body for the JSON protocol.
type Call struct {
	Form   url.Values
	Target string // X-Amz-Target
	Body   any
}

// NotFound is the refusal of a call about an object that does not exist.
type NotFound struct{ Code string }

func (e *NotFound) Error() string { return e.Code }

// Answer is what came back.
type Answer struct {
	Body []byte
	Date time.Time // the other side's clock; zero when it did not tell
}

const (
	callTimeout = 30 * time.Second
	maxAnswer   = 16 << 20
)

// Send signs and sends one call. service is the signing name and the endpoint's prefix.
func (a Access) Send(ctx context.Context, service string, call *Call) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	address, region := a.url(service)
	body := []byte(call.Form.Encode())
	contentType := "application/x-www-form-urlencoded; charset=utf-8"
	if call.Target != "" {
		var err error
		if body, err = json.Marshal(call.Body); err != nil {
			return Answer{}, err
		}
		contentType = "application/x-amz-json-1.1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", contentType)
	if call.Target != "" {
		req.Header.Set("X-Amz-Target", call.Target)
	}
	sum := sha256.Sum256(body)
	now := time.Now()
	if err := v4.NewSigner().SignHTTP(ctx, a.Keys, req, hex.EncodeToString(sum[:]), service, region, now); err != nil {
		return Answer{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Answer{}, err
	}
	if resp.StatusCode/100 != 2 {
		return Answer{}, refusal(resp.StatusCode, answer)
	}
	date, _ := http.ParseTime(resp.Header.Get("Date")) // zero when it is missing
	return Answer{answer, date}, nil
}

func (a Access) url(service string) (address, region string) {
	if a.Endpoint != "" {
		return strings.TrimSuffix(a.Endpoint, "/") + "/", a.Region
	}
	if service == "iam" {
		return "https://iam.amazonaws.com/", "us-east-1"
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(a.Region, "cn-") {
		domain = "amazonaws.com.cn"
	}
	return fmt.Sprintf("https://%s.%s.%s/", service, a.Region, domain), a.Region
}

// refusal tells an object that is not there from every other refusal.
func refusal(status int, body []byte) error {
	var x struct {
		Code  string `xml:"Error>Code"`
		Code2 string `xml:"Errors>Error>Code"`
	}
	_ = xml.Unmarshal(body, &x) // not XML: the JSON protocol
	var j struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(body, &j)
	code := cmp.Or(x.Code, x.Code2, j.Type[strings.LastIndex(j.Type, "#")+1:])
	if strings.HasSuffix(code, "NotFound") || strings.HasSuffix(code, "NotFoundException") || strings.Contains(code, "NotFound.") ||
		code == "NoSuchEntity" {
		return &NotFound{code}
	}
	return fmt.Errorf("the cloud answered %d %s", status, code)
}
