package slack

import (
	"io"
	"net/http"
	"strconv"
)

// upload is a file on its way.
type upload struct {
	id, name string
	length   int
	content  []byte
	arrived  bool
}

func (s *Server) uploadURL(a args) (reply, error) {
	length, err := strconv.Atoi(a["length"])
	switch {
	case a["filename"] == "":
		return nil, refuse("invalid_arguments", "[ERROR] missing required field: filename")
	case err != nil || length <= 0:
		return nil, refuse("invalid_arguments", "[ERROR] length must be more than 0")
	}
	u := &upload{id: s.id("F"), name: a["filename"], length: length}
	s.uploads["/upload/"+u.id] = u
	return reply{"upload_url": s.http.URL + "/upload/" + u.id, "file_id": u.id}, nil
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	f := s.strike("upload", false)
	if !s.pause(f.slow) {
		return
	}
	var content []byte
	part, _, err := r.FormFile("file")
	if err == nil {
		content, err = io.ReadAll(part)
		part.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[r.URL.Path]
	if err != nil || u == nil || len(content) != u.length {
		http.Error(w, "the upload is not what was announced", http.StatusBadRequest)
		return
	}
	u.content, u.arrived = content, true
	io.WriteString(w, "OK - "+strconv.Itoa(len(content)))
}

func (s *Server) completeUpload(a args) (reply, error) {
	files, err := decode[[]struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}](a["files"], "invalid_arguments")
	if err != nil {
		return nil, err
	}
	c, err := s.visible(a["channel_id"])
	switch {
	case err != nil:
		return nil, err
	case !c.members[s.bot().ID]:
		return nil, refuse("not_in_channel")
	}
	m := &message{Text: a["initial_comment"], Thread: a["thread_ts"], Files: map[string]string{}}
	var done []reply
	for _, f := range files {
		u := s.uploads["/upload/"+f.ID]
		if u == nil || !u.arrived {
			return nil, refuse("file_not_found")
		}
		delete(s.uploads, "/upload/"+f.ID)
		m.Files[u.name] = string(u.content)
		done = append(done, reply{"id": u.id, "title": f.Title})
	}
	s.put(c, m)
	return reply{"files": done}, nil
}
