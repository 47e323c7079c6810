package core

import "regexp"

// Global is the scope of records that belong to no region (iam).
const Global = "global"

var regionShape = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

// ValidRegion reports whether name has the form of a region.
func ValidRegion(name string) bool { return regionShape.MatchString(name) }

// Zone is an availability zone.
type Zone struct {
	Name string // us-east-1a
	ID   string // use1-az1
}

// Regions lists the regions that an account has enabled from the start.
func Regions() []string {
	return []string{
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
		"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
		"us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
}

// Zones lists a region's availability zones.
func Zones(region string) []Zone {
	count := 3
	switch region {
	case "us-east-1":
		count = 6
	case "us-west-2", "ap-northeast-2":
		count = 4
	}
	short := zonePrefix(region)
	zones := make([]Zone, count)
	for i := range zones {
		zones[i] = Zone{Name: region + string(rune('a'+i)), ID: short + "-az" + string(rune('1'+i))}
	}
	return zones
}

// zonePrefix shortens a region as zone ids do: us-east-1 is use1, ap-northeast-2
// is apne2.
func zonePrefix(region string) string {
	directions := map[string]string{
		"north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
		"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
	}
	out, word := "", ""
	for _, r := range region + "-" {
		if r != '-' {
			word += string(r)
			continue
		}
		if short, ok := directions[word]; ok {
			out += short
		} else {
			out += word
		}
		word = ""
	}
	return out
}
