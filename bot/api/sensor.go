package api

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"
)

// Sensors is what the API needs of the sensors.
type Sensors interface {
	// List returns all sensors and how they stand, as JSON values.
	List(ctx context.Context) (any, error)
	// Restart asks for a sensor to be started anew.
	Restart(ctx context.Context, ref string) error
}

func (h *handler) sensorRoutes(r chi.Router) {
	if h.Sensors == nil {
		return
	}
	r.Get("/sensors", func(w http.ResponseWriter, r *http.Request) {
		list, err := h.Sensors.List(r.Context())
		if err != nil {
			h.fail(w, err)
			return
		}
		h.write(w, http.StatusOK, list)
	})
	r.Post("/sensors/{ref}/restart", func(w http.ResponseWriter, r *http.Request) {
		if err := h.Sensors.Restart(r.Context(), chi.URLParam(r, "ref")); err != nil {
			h.fail(w, err)
			return
		}
		h.write(w, http.StatusAccepted, map[string]string{"status": "asked"})
	})
}
