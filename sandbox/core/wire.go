package core

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// answer is an encoded result or error.
type answer struct {
	status      int
	contentType string
	body        []byte
	errorCode   string
}

func encodeResult(spec Spec, r *Request, result any) (answer, error) {
	switch spec.Protocol {
	case ProtocolJSON10, ProtocolJSON11:
		body := []byte("{}")
		if result != nil {
			var err error
			if body, err = json.Marshal(result); err != nil {
				return answer{}, fmt.Errorf("encoding the answer of %s: %w", r.Action, err)
			}
		}
		return answer{status: http.StatusOK, contentType: jsonType(spec.Protocol), body: body}, nil
	case ProtocolEC2, ProtocolQuery:
		inner, err := innerXML(result)
		if err != nil {
			return answer{}, fmt.Errorf("encoding the answer of %s: %w", r.Action, err)
		}
		return answer{status: http.StatusOK, contentType: "text/xml;charset=UTF-8", body: wrapXML(spec, r, inner)}, nil
	default:
		return answer{}, fmt.Errorf("service %s has unknown protocol %q", spec.Name, spec.Protocol)
	}
}

func wrapXML(spec Spec, r *Request, inner []byte) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	fmt.Fprintf(&b, `<%sResponse xmlns="%s">`, r.Action, spec.Namespace)
	if spec.Protocol == ProtocolEC2 {
		fmt.Fprintf(&b, "<requestId>%s</requestId>%s", r.ID, inner)
	} else {
		fmt.Fprintf(&b, "<%sResult>%s</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>", r.Action, inner, r.Action, r.ID)
	}
	fmt.Fprintf(&b, "</%sResponse>", r.Action)
	return b.Bytes()
}

// innerXML encodes v and removes the outermost element, whose name the
// envelope decides.
func innerXML(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	if err := e.EncodeElement(v, xml.StartElement{Name: xml.Name{Local: "x"}}); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	inner, ok := bytes.CutPrefix(b.Bytes(), []byte("<x>"))
	if !ok {
		return nil, errors.New("the result has no plain outer element")
	}
	return bytes.TrimSuffix(inner, []byte("</x>")), nil
}

func encodeError(p Protocol, namespace, requestID string, e *Error) answer {
	out := answer{status: e.Status, errorCode: e.Code}
	switch p {
	case ProtocolJSON10, ProtocolJSON11:
		out.contentType = jsonType(p)
		members := map[string]any{"__type": e.Code, "message": e.Message}
		for k, v := range e.Fields {
			members[k] = v
		}
		out.body, _ = json.Marshal(members) // strings and plain fields always encode
	case ProtocolEC2:
		out.contentType = "text/xml;charset=UTF-8"
		out.body = fmt.Appendf(nil, "%s<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>",
			xml.Header, escape(e.Code), escape(e.Message), requestID)
	case ProtocolQuery:
		kind := "Sender"
		if e.Status >= http.StatusInternalServerError {
			kind = "Receiver"
		}
		out.contentType = "text/xml"
		out.body = fmt.Appendf(nil, `%s<ErrorResponse xmlns="%s"><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`,
			xml.Header, namespace, kind, escape(e.Code), escape(e.Message), requestID)
	}
	return out
}

func (a answer) write(w http.ResponseWriter, requestID string) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("X-Amzn-Requestid", requestID)
	h.Set("X-Content-Type-Options", "nosniff")
	if a.errorCode != "" {
		h.Set("X-Amzn-Errortype", a.errorCode)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a caller that is gone needs no answer
}

func jsonType(p Protocol) string {
	if p == ProtocolJSON10 {
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

func escape(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}

// maxBody bounds an AWS call; the largest real one is a PutLogEvents of 1 MiB.
const maxBody = 8 << 20

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	if len(body) > maxBody {
		return nil, Errorf("RequestEntityTooLarge", "The request is larger than %d bytes.", maxBody).WithStatus(http.StatusRequestEntityTooLarge)
	}
	return body, nil
}
