package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/fault"
)

// checksOutput is the name of the output in which a module promises what must be true once it was applied. A step
// succeeds only when all of it is. Its value is a list of objects:
//
//	{ type = "http", url = "http://…", expect = "200-399", timeout_seconds = 60 }
const checksOutput = "berth_checks"

const (
	defaultCheckTimeout = time.Minute
	maxCheckTimeout     = 10 * time.Minute
	checkRequestTimeout = 5 * time.Second
	checkPause          = 500 * time.Millisecond
)

// check is one promise of a module.
type check struct {
	Type           string  `json:"type"`
	URL            string  `json:"url"`
	Expect         string  `json:"expect"`
	TimeoutSeconds float64 `json:"timeout_seconds"`
}

// probe carries out the checks among outputs. The error is for users.
func probe(ctx context.Context, outputs map[string]Output) error {
	o, ok := outputs[checksOutput]
	if !ok {
		return nil
	}
	var checks []check
	if err := json.Unmarshal(o.Value, &checks); err != nil {
		return fmt.Errorf("the output %s of the module must be a list of checks: %w", checksOutput, err)
	}
	client := &http.Client{
		Timeout:       checkRequestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true}, // each look must find the way by itself
	}
	for _, c := range checks {
		if err := c.run(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

func (c check) run(ctx context.Context, client *http.Client) error {
	if c.Type != "http" {
		return fault.New(fault.Invalid, "check_unknown", "The module asks for a check of type %q; only http exists.", c.Type)
	}
	timeout := defaultCheckTimeout
	if c.TimeoutSeconds > 0 {
		timeout = min(time.Duration(c.TimeoutSeconds*float64(time.Second)), maxCheckTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		err := c.look(ctx, client)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("everything was created, but %s did not answer as it should within %s: %w", c.URL, timeout, err)
		case <-time.After(checkPause):
		}
	}
}

func (c check) look(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return fmt.Errorf("the address cannot be read: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return errors.Unwrap(err) // without the address, which the caller's message has
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil { // the body must arrive, too
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if !expected(c.Expect, resp.StatusCode) {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return nil
}

// expected reads the form that load balancers use for health checks: "200", "200-399", "200,301-302".
func expected(text string, status int) bool {
	if text == "" {
		text = "200-399"
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 == nil && err2 == nil && from <= status && status <= to {
			return true
		}
	}
	return false
}
