package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
)

const maxFrame = 1 << 24

// readLines takes the engine's two multiplexed streams apart. Each line begins
// with its time.
func readLines(r io.Reader) iter.Seq2[engine.LogLine, error] {
	return func(yield func(engine.LogLine, error) bool) {
		pending := map[string]*bytes.Buffer{"stdout": {}, "stderr": {}}
		var header [8]byte
		for {
			if _, err := io.ReadFull(r, header[:]); err != nil {
				for stream, rest := range pending {
					if rest.Len() > 0 && !yield(parseLine(stream, rest.String()), nil) {
						return
					}
				}
				if !errors.Is(err, io.EOF) {
					yield(engine.LogLine{}, err)
				}
				return
			}
			stream := "stdout"
			if header[0] == 2 {
				stream = "stderr"
			}
			size := binary.BigEndian.Uint32(header[4:])
			if size > maxFrame {
				yield(engine.LogLine{}, errors.New("the engine sent a malformed log"))
				return
			}
			buf := pending[stream]
			if _, err := io.CopyN(buf, r, int64(size)); err != nil {
				yield(engine.LogLine{}, err)
				return
			}
			for bytes.IndexByte(buf.Bytes(), '\n') >= 0 {
				line, _ := buf.ReadString('\n')
				if !yield(parseLine(stream, line), nil) {
					return
				}
			}
		}
	}
}

func parseLine(stream, line string) engine.LogLine {
	stamp, text, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return engine.LogLine{Stream: stream, Text: strings.TrimRight(line, "\r\n")}
	}
	return engine.LogLine{Time: at.UTC(), Stream: stream, Text: text}
}
