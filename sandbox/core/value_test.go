package core_test

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/core"
)

func form(t *testing.T, s string) core.Form {
	t.Helper()
	v, err := url.ParseQuery(s)
	require.NoError(t, err)
	return core.NewForm(v)
}

func TestFormReadsListsInBothSpellings(t *testing.T) {
	t.Parallel()
	f := form(t, "Id.2=b&Id.10=c&Id.1=a&Key.member.1=x&Key.member.2=y&"+
		"Filter.1.Name=vpc-id&Filter.1.Value.1=v1&Filter.1.Value.2=v2&"+
		"Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.2.Key=empty&Tags.member.2.Value=")
	require.Equal(t, []string{"a", "b", "c"}, f.List("Id"), "in numeric order")
	require.Equal(t, []string{"x", "y"}, f.List("Key"))
	require.Equal(t, core.Tags{"k": "v", "empty": ""}, f.Tags("Tags"))
	require.Equal(t, core.Filters{{Name: "vpc-id", Values: []string{"v1", "v2"}}}, f.Filters())
	require.Empty(t, f.List("Nothing"))

	_, err := form(t, "N=x").Int("N", 1)
	require.ErrorContains(t, err, "N is invalid")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	tags := core.Tags{"Name": "web-1", "team": "a"}
	values := func(name string) ([]string, bool) {
		return map[string][]string{"group-id": {"sg-1", "sg-2"}, "empty": nil}[name], name == "group-id" || name == "empty"
	}
	for query, want := range map[string]bool{
		"Filter.1.Name=group-id&Filter.1.Value.1=sg-2":                                          true,
		"Filter.1.Name=group-id&Filter.1.Value.1=sg-3&Filter.1.Value.2=sg-1":                    true,
		"Filter.1.Name=group-id&Filter.1.Value.1=sg-3":                                          false,
		"Filter.1.Name=empty&Filter.1.Value.1=*":                                                false,
		"Filter.1.Name=tag:Name&Filter.1.Value.1=web-*":                                         true,
		"Filter.1.Name=tag:Name&Filter.1.Value.1=web-?":                                         true,
		"Filter.1.Name=tag:Name&Filter.1.Value.1=*b":                                            false,
		"Filter.1.Name=tag:Nope&Filter.1.Value.1=*":                                             false,
		"Filter.1.Name=tag-key&Filter.1.Value.1=team":                                           true,
		"Filter.1.Name=group-id&Filter.1.Value.1=sg-1&Filter.2.Name=tag-key&Filter.2.Value.1=x": false,
	} {
		got, err := form(t, query).Filters().Match(tags, values)
		require.NoError(t, err)
		require.Equal(t, want, got, query)
	}
	_, err := form(t, "Filter.1.Name=nonsense&Filter.1.Value.1=x").Filters().Match(tags, values)
	require.ErrorContains(t, err, "The filter 'nonsense' is invalid")
}

func TestPageWalksEverythingOnceEvenWhenAnItemGoes(t *testing.T) {
	t.Parallel()
	items := []string{"a", "b", "c", "d", "e"}
	id := func(s string) string { return s }
	page, next, err := core.Page(items, id, "", 2)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, page)
	page, next, err = core.Page([]string{"a", "c", "d", "e"}, id, next, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"c", "d"}, page, "b, which the token names, is gone")
	page, next, err = core.Page(items, id, next, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"e"}, page)
	require.Empty(t, next)
	_, _, err = core.Page(items, id, "nonsense!", 2)
	require.Equal(t, "InvalidNextToken", core.ErrorCode(err))
}

func TestTimestampForms(t *testing.T) {
	t.Parallel()
	at := core.At(time.Date(2026, 11, 24, 15, 4, 5, 67_890_000, time.UTC))
	b, err := json.Marshal(at)
	require.NoError(t, err)
	require.Equal(t, "1795532645.067", string(b))
	var back core.Timestamp
	require.NoError(t, json.Unmarshal(b, &back))
	require.True(t, at.Equal(back.Time))
	x, err := xml.Marshal(struct {
		XMLName xml.Name       `xml:"a"`
		At      core.Timestamp `xml:"at"`
	}{At: at})
	require.NoError(t, err)
	require.Equal(t, "<a><at>2026-11-24T15:04:05.067Z</at></a>", string(x))
}

func TestIdentifiers(t *testing.T) {
	t.Parallel()
	require.Regexp(t, regexp.MustCompile(`^vpc-0[0-9a-f]{16}$`), core.NewID("vpc"))
	require.Regexp(t, regexp.MustCompile(`^AROA[A-Z2-7]{17}$`), core.NewUniqueID("AROA"))
	require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`), core.NewUUID())
	require.Len(t, core.Hex(7), 7)
	require.Equal(t, "arn:aws:iam::000000000000:role/x", core.ARN("iam", "", "role/x"))
}

func TestZones(t *testing.T) {
	t.Parallel()
	require.Equal(t, core.Zone{Name: "us-east-1a", ID: "use1-az1"}, core.Zones("us-east-1")[0])
	require.Equal(t, core.Zone{Name: "ap-southeast-2c", ID: "apse2-az3"}, core.Zones("ap-southeast-2")[2])
	for _, region := range core.Regions() {
		require.True(t, core.ValidRegion(region), region)
		require.GreaterOrEqual(t, len(core.Zones(region)), 3)
	}
	require.False(t, core.ValidRegion("nowhere"))
}

func FuzzFormIndexes(f *testing.F) {
	f.Add("A.1.B=x&A.member.2=y")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := url.ParseQuery(s)
		if err != nil {
			t.Skip()
		}
		form := core.NewForm(v)
		form.List("A")
		form.Tags("A")
		for _, x := range form.Structs("A") {
			x.List("B")
		}
	})
}
