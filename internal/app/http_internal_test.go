package app

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForwardedAddressesAreBelievedFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		trusted   []string
		forwarded []string
		want      string
	}{
		"nobody is trusted":        {nil, []string{"203.0.113.9"}, "127.0.0.1"},
		"somebody else is":         {[]string{"10.0.0.0/8"}, []string{"203.0.113.9"}, "127.0.0.1"},
		"the proxy is":             {[]string{"127.0.0.0/8"}, []string{"203.0.113.9"}, "203.0.113.9"},
		"what a client pretends":   {[]string{"127.0.0.0/8"}, []string{"1.2.3.4, 203.0.113.9"}, "203.0.113.9"},
		"two proxies":              {[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"1.2.3.4, 203.0.113.9, 10.1.1.1"}, "203.0.113.9"},
		"two headers":              {[]string{"127.0.0.0/8"}, []string{"1.2.3.4", "203.0.113.9"}, "203.0.113.9"},
		"no header":                {[]string{"127.0.0.0/8"}, nil, "127.0.0.1"},
		"what is no address":       {[]string{"127.0.0.0/8"}, []string{"<script>"}, "127.0.0.1"},
		"hidden behind no address": {[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"1.2.3.4, unknown, 10.1.1.1"}, "10.1.1.1"},
		"an address with a port":   {[]string{"127.0.0.0/8"}, []string{"203.0.113.9:5555"}, "203.0.113.9"},
		"an address of version 6":  {[]string{"127.0.0.0/8"}, []string{"[2001:db8::7]:5555"}, "2001:db8::7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &App{}
			for _, p := range tc.trusted {
				a.cfg.TrustedProxies = append(a.cfg.TrustedProxies, netip.MustParsePrefix(p))
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = "127.0.0.1:5000"
			for _, value := range tc.forwarded {
				r.Header.Add("X-Forwarded-For", value)
			}
			require.Equal(t, tc.want, a.remoteIP(r))
		})
	}
}
