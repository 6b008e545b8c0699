package api

import (
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"petrel/engine"
)

// inspectWorkflow says what is wrong with a workflow, as StackStorm does: the body
// is the text, the answer a list, empty when all is well.
func (h *handler) inspectWorkflow(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	if err != nil {
		h.fail(w, engine.Errorf(engine.Invalid, "the body cannot be read: %v", err))
		return
	}
	h.write(w, http.StatusOK, h.Service.InspectWorkflow(text))
}

// workflow tells how the workflow of an execution stands.
func (h *handler) workflow(w http.ResponseWriter, r *http.Request) {
	v, err := h.Service.Workflow(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, v)
}
