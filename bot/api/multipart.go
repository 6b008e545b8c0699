package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"

	"petrel/engine"
)

// multipartBody reads the fields of a multipart form; files are left out but
// for their names.
func multipartBody(raw []byte, boundary string) (json.RawMessage, error) {
	if boundary == "" {
		return nil, engine.Errorf(engine.Invalid, "the Content-Type of a multipart body must name its boundary")
	}
	values := make(map[string][]string)
	for r := multipart.NewReader(bytes.NewReader(raw), boundary); ; {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return json.Marshal(values)
		}
		if err != nil {
			return nil, engine.Errorf(engine.Invalid, "the multipart body cannot be read: %v", err)
		}
		text := part.FileName()
		if text == "" {
			field, err := io.ReadAll(part)
			if err != nil {
				return nil, engine.Errorf(engine.Invalid, "the multipart body cannot be read: %v", err)
			}
			text = string(field)
		}
		values[part.FormName()] = append(values[part.FormName()], text)
	}
}
