package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"petrel/engine"
	"petrel/engine/pipeline"
)

// hiddenHeaders never enter a payload: they authenticate the caller.
var hiddenHeaders = map[string]bool{"St2-Api-Key": true, "X-Auth-Token": true, "Cookie": true, "Authorization": true}

// deliveryHeaders carry an ID that a sender repeats when it delivers the same
// event again.
var deliveryHeaders = []string{"X-Github-Delivery", "X-Gitlab-Event-Uuid", "Webhook-Id", "X-Petrel-Delivery"}

const traceTagHeader = "St2-Trace-Tag"

// webhook takes an event in. It answers 202 with the body once the event is
// durable, 404 when no rule listens to this URL.
func (h *handler) webhook(w http.ResponseWriter, r *http.Request) {
	hook := strings.Trim(chi.URLParam(r, "*"), "/")
	if !h.Service.ListensTo(engine.TriggerWebhook, hook) {
		h.fail(w, engine.Errorf(engine.NotFound, "there is no webhook %q: no enabled rule has a trigger core.st2.webhook with this url", hook))
		return
	}
	body, err := h.readBody(w, r)
	if err != nil {
		h.fail(w, err)
		return
	}
	payload, err := webhookPayload(r.Header, body)
	if err != nil {
		h.fail(w, err)
		return
	}
	d := pipeline.Dispatch{
		Trigger: engine.TriggerWebhook, Key: hook, Payload: payload, Lane: engine.LaneEvent,
		TraceTag: r.Header.Get(traceTagHeader), DeliveryID: deliveryID(hook, r.Header),
	}
	receipt, err := h.Service.Dispatch(r.Context(), d)
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("X-Petrel-Trigger-Instance", receipt.ID)
	h.write(w, http.StatusAccepted, body)
}

// deliveryID returns the sender's own ID of this delivery, "" when it has none.
func deliveryID(hook string, header http.Header) string {
	for _, name := range deliveryHeaders {
		if id := header.Get(name); id != "" {
			return "webhook/" + hook + "/" + id
		}
	}
	return ""
}

// readBody returns the body as JSON: an object or a list. Forms become an
// object of lists.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, engine.Errorf(engine.Invalid, "the body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "the body could not be read: %v", err)
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "the Content-Type is missing or malformed; send application/json or a form")
	}
	switch kind {
	case "application/json":
		return jsonBody(raw)
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, engine.Errorf(engine.Invalid, "the form cannot be read: %v", err)
		}
		return json.Marshal(values)
	case "multipart/form-data":
		return multipartBody(raw, params["boundary"])
	default:
		return nil, engine.Errorf(engine.Invalid, "a body of type %s is not understood; send application/json or a form", kind)
	}
}

// jsonBody checks a JSON body. An empty one counts as an empty object.
func jsonBody(raw []byte) (json.RawMessage, error) {
	text := strings.TrimSpace(string(raw))
	if text == "" {
		return json.RawMessage("{}"), nil
	}
	if !json.Valid(raw) {
		var v any
		err := json.Unmarshal(raw, &v)
		return nil, engine.Errorf(engine.Invalid, "the body is not valid JSON: %v", err)
	}
	if text[0] != '{' && text[0] != '[' {
		return nil, engine.Errorf(engine.Invalid, "the body must be a JSON object or list")
	}
	return json.RawMessage(text), nil
}

// webhookPayload is the payload of core.st2.webhook.
func webhookPayload(header http.Header, body json.RawMessage) (json.RawMessage, error) {
	headers, lower := make(map[string]string), make(map[string]string)
	for name, values := range header {
		if hiddenHeaders[name] || name == traceTagHeader {
			continue
		}
		headers[name] = strings.Join(values, ", ")
		lower[strings.ToLower(name)] = headers[name]
	}
	payload, err := json.Marshal(map[string]any{"headers": headers, "headers_lower": lower, "body": body})
	if err != nil {
		return nil, fmt.Errorf("encode a webhook payload: %w", err)
	}
	return payload, nil
}
