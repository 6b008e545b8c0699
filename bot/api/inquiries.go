package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"petrel/engine"
	"petrel/engine/pipeline"
)

// inquiryRoutes adds the questions that wait for people, as StackStorm has them.
func (h *handler) inquiryRoutes(r chi.Router) {
	r.Get("/inquiries", h.listInquiries)
	r.Get("/inquiries/", h.listInquiries)
	r.Get("/inquiries/{id}", h.getInquiry)
	r.Put("/inquiries/{id}", h.putInquiry)
	r.Get("/executions/{id}/workflow", h.workflow)
	r.Post("/workflows/inspect", h.inspectWorkflow)
}

// inquiryView is one question. What stands after Schema is Petrel's own; what
// people answered is not shown, it may be secret.
type inquiryView struct {
	ID        string              `json:"id"`
	Route     string              `json:"route"`
	TTL       float64             `json:"ttl"`
	Users     []string            `json:"users"`
	Roles     []string            `json:"roles"`
	Schema    json.RawMessage     `json:"schema"`
	Message   string              `json:"message,omitempty"`
	Approvers *pipeline.Approvers `json:"approvers,omitempty"`
	Requester string              `json:"requester"`
	Answered  []string            `json:"answered_by,omitempty"`
	Expires   string              `json:"expires_at,omitempty"`
}

func viewInquiry(q *pipeline.Inquiry) inquiryView {
	v := inquiryView{
		ID: q.ID, Route: q.Route, TTL: q.TTL, Users: q.Users, Roles: q.Roles, Schema: q.Schema,
		Message: q.Message, Approvers: q.Approvers, Requester: q.Requester,
	}
	for _, a := range q.Answers {
		v.Answered = append(v.Answered, a.By)
	}
	if q.ExpiresAt != nil {
		v.Expires = q.ExpiresAt.UTC().Format(timeFormat)
	}
	return v
}

// maxInquiries bounds one answer of the list.
const maxInquiries = 1000

// listInquiries answers with those that wait, newest first.
func (h *handler) listInquiries(w http.ResponseWriter, r *http.Request) {
	limit := 100
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n == 0 {
			h.fail(w, engine.Errorf(engine.Invalid, "limit is %q; it must be a number, -1 for all", text))
			return
		}
		if limit = n; n < 0 || n > maxInquiries {
			limit = maxInquiries
		}
	}
	list := []inquiryView{}
	for after := ""; len(list) < limit; {
		page, next, err := h.Service.PendingInquiries(r.Context(), after, limit-len(list))
		if err != nil {
			h.fail(w, err)
			return
		}
		for i := range page {
			list = append(list, viewInquiry(&page[i]))
		}
		if after = next; next == "" {
			break
		}
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(len(list)))
	w.Header().Set("X-Limit", strconv.Itoa(limit))
	h.write(w, http.StatusOK, list)
}

func (h *handler) getInquiry(w http.ResponseWriter, r *http.Request) {
	q, e, err := h.Service.Inquiry(r.Context(), chi.URLParam(r, "id"))
	if err == nil && e.Status != engine.Pending {
		err = engine.Errorf(engine.Invalid, "the inquiry %s is %s and waits for no answer", q.ID, e.Status)
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, viewInquiry(&q))
}

// putInquiry answers a question. Who may use the API may say for whom.
func (h *handler) putInquiry(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID       string          `json:"id"`
		Response json.RawMessage `json:"response"`
		User     string          `json:"user"`
		Roles    []string        `json:"roles"`
		Groups   []string        `json:"groups"`
	}
	id := chi.URLParam(r, "id")
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, h.MaxBody)).Decode(&body); err != nil {
		h.fail(w, engine.Errorf(engine.Invalid, "the body must be JSON such as {\"response\": {\"continue\": true}}: %v", err))
		return
	}
	if body.ID != "" && body.ID != id || len(body.Response) == 0 {
		h.fail(w, engine.Errorf(engine.Invalid, "the body must hold response and, if it names one, the id %s", id))
		return
	}
	if body.User == "" {
		body.User = pipeline.SystemUser
	}
	by := pipeline.Person{Name: body.User, Roles: body.Roles, Groups: body.Groups}
	if _, err := h.Service.Respond(r.Context(), id, by, body.Response); err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, map[string]any{"id": id, "response": body.Response})
}
