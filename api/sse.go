package api

import (
	"bufio"
	"bytes"
	"io"
	"iter"
)

const maxEvent = 16 << 20

// ServerSentEvents yields the data of each event of a stream, comments left out.
func ServerSentEvents(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		scan := bufio.NewScanner(r)
		scan.Buffer(make([]byte, 64<<10), maxEvent)
		var data []byte
		for scan.Scan() {
			line := scan.Bytes()
			if len(line) == 0 {
				if len(data) > 0 && !yield(data, nil) {
					return
				}
				data = nil
				continue
			}
			if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				if data != nil {
					data = append(data, '\n')
				}
				data = append(data, bytes.TrimPrefix(rest, []byte(" "))...)
			}
		}
		if err := scan.Err(); err != nil {
			yield(nil, err)
		}
	}
}
