// Package api is the HTTP surface: webhooks and health. It translates requests
// into calls of the engine's service and errors into status codes, and knows
// nothing of chat but where its callbacks are.
package api

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"petrel/bot/webhooks"
	"petrel/engine"
	"petrel/engine/datastore"
	"petrel/engine/pipeline"
	"petrel/engine/secrets"
	"petrel/engine/workflow"
)

// Service is what the API needs of the engine.
type Service interface {
	Dispatch(ctx context.Context, d pipeline.Dispatch) (pipeline.Receipt, error)
	ListensTo(trigger, key string) bool
	Execution(ctx context.Context, id string) (engine.Execution, error)
	View(e *engine.Execution) map[string]any
	PendingInquiries(ctx context.Context, after string, max int) (list []pipeline.Inquiry, next string, err error)
	Inquiry(ctx context.Context, id string) (pipeline.Inquiry, engine.Execution, error)
	Respond(ctx context.Context, id string, by pipeline.Person, response json.RawMessage) (pipeline.Inquiry, error)
	Workflow(ctx context.Context, id string) (pipeline.WorkflowView, error)
	InspectWorkflow(text []byte) []workflow.Problem
}

// Options is what the API is made of.
type Options struct {
	Service Service
	// Nodes lists the processes of the deployment, as JSON values.
	Nodes func(ctx context.Context) (any, error)
	// Packs registers packs.
	Packs Packs
	// Keys is the datastore.
	Keys *datastore.Service
	// Sensors looks after the sensors; nil: none.
	Sensors Sensors
	// Ready reports why the program cannot take work now, nil when it can.
	Ready   func(ctx context.Context) error
	MaxBody int64           // bytes of a request body
	Token   string          // required of every /api request when not empty
	Masker  *secrets.Masker // secret texts that errors must not tell; nil: none
	// Guards say, by webhook, how its senders prove who they are; others need the
	// token.
	Guards map[string]*webhooks.Guard
	// Chat serves what chat platforms call, below /chat; it does its own
	// authentication.
	Chat   http.Handler
	Logger *slog.Logger
}

type handler struct{ Options }

// New returns the HTTP handler.
func New(o Options) http.Handler {
	h := &handler{o}
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	r.Get("/healthz", h.healthz)
	r.Get("/readyz", h.readyz)
	if o.Chat != nil {
		r.Mount("/chat", http.StripPrefix("/chat", o.Chat))
	}
	r.Route("/api/v1", func(r chi.Router) {
		r.Post("/webhooks/*", h.guarded(h.webhook))
		r.Group(func(r chi.Router) {
			r.Use(h.authenticate)
			r.Get("/nodes", h.nodes)
			r.Get("/executions/{id}", h.execution)
			h.keyRoutes(r)
			h.sensorRoutes(r)
			h.inquiryRoutes(r)
			r.Post("/packs/register", h.registerPacks)
		})
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, engine.Errorf(engine.NotFound, "there is nothing at %s", r.URL.Path))
	})
	return r
}

// healthz answers as long as the process lives.
func (h *handler) healthz(w http.ResponseWriter, _ *http.Request) {
	h.write(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz answers 200 when the program can take work, else 503 with the reason.
func (h *handler) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := h.Ready(ctx); err != nil {
		h.write(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": err.Error()})
		return
	}
	h.write(w, http.StatusOK, map[string]string{"status": "ready"})
}

// nodes lists the processes that share this store.
func (h *handler) nodes(w http.ResponseWriter, r *http.Request) {
	list, err := h.Nodes(r.Context())
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, list)
}

// execution returns one execution, secrets hidden.
func (h *handler) execution(w http.ResponseWriter, r *http.Request) {
	e, err := h.Service.Execution(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, h.Service.View(&e))
}

// guarded asks for the token unless the webhook has a Guard of its own.
func (h *handler) guarded(next http.HandlerFunc) http.HandlerFunc {
	byToken := h.authenticate(next)
	return func(w http.ResponseWriter, r *http.Request) {
		if h.Guards[hookOf(r)] != nil {
			next(w, r)
			return
		}
		byToken.ServeHTTP(w, r)
	}
}

// authenticate asks for the configured token, in the places where StackStorm's
// clients put theirs.
func (h *handler) authenticate(next http.Handler) http.Handler {
	if h.Token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var given string
		for _, v := range []string{
			r.Header.Get("X-Auth-Token"), r.Header.Get("St2-Api-Key"),
			r.URL.Query().Get("x-auth-token"), r.URL.Query().Get("st2-api-key"),
		} {
			if v != "" {
				given = v
				break
			}
		}
		if subtle.ConstantTimeCompare([]byte(given), []byte(h.Token)) != 1 {
			h.write(w, http.StatusUnauthorized, fault{"Unauthorized - a valid token is needed, in the header St2-Api-Key or X-Auth-Token."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fault is StackStorm's error body.
type fault struct {
	Faultstring string `json:"faultstring"`
}

// statuses translates error codes.
var statuses = map[engine.Code]int{
	engine.Invalid: http.StatusBadRequest, engine.NotFound: http.StatusNotFound, engine.Conflict: http.StatusConflict,
	engine.Forbidden: http.StatusForbidden, engine.Unavailable: http.StatusServiceUnavailable, engine.Internal: http.StatusInternalServerError,
}

// fail answers with an error. What is our own fault goes to the log, not out.
func (h *handler) fail(w http.ResponseWriter, err error) {
	code := engine.CodeOf(err)
	text := "Internal Server Error"
	var e *engine.Error
	if errors.As(err, &e) {
		text = e.Message
	}
	if code == engine.Internal || code == engine.Unavailable {
		h.Logger.Error("request failed", "error", err)
	}
	if code == engine.Unavailable {
		w.Header().Set("Retry-After", "1")
	}
	h.write(w, statuses[code], fault{h.Masker.Text(text)})
}

func (h *handler) write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		h.Logger.Debug("answer not sent", "error", err)
	}
}
