package rafay

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
)

// maxIcon is what Berth takes as an icon, written as a data: URL.
const maxIcon = 128 << 10

// icon reads iconURL: an image in base64, or an address.
func (d *document) icon(spec *object) string {
	text := strings.TrimSpace(spec.text("iconURL"))
	at := spec.at("iconURL")
	switch {
	case text == "":
		return ""
	case strings.HasPrefix(text, "data:image/"):
	case strings.Contains(text, "://"):
		d.notice(Warning, at, "is an address, and Berth loads nothing from elsewhere; give the image itself in base64")
		return ""
	default:
		image, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		kind := imageType(image)
		if err != nil || kind == "" {
			d.notice(Warning, at, "is no image in base64 (PNG, JPEG, GIF, WebP or SVG); the template gets no icon")
			return ""
		}
		text = "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(image)
	}
	if len(text) > maxIcon {
		d.notice(Warning, at, "is larger than %d kB; the template gets no icon", maxIcon>>10)
		return ""
	}
	return text
}

func imageType(image []byte) string {
	kind := http.DetectContentType(image)
	if strings.HasPrefix(kind, "image/") {
		return kind
	}
	if strings.HasPrefix(kind, "text/") && bytes.Contains(image, []byte("<svg")) {
		return "image/svg+xml"
	}
	return ""
}
