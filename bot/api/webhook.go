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
	"time"

	"github.com/go-chi/chi/v5"

	"petrel/bot/webhooks"
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
// durable, 404 when no rule listens to this URL, 401 or 403 when its Guard does
// not take the request for genuine.
func (h *handler) webhook(w http.ResponseWriter, r *http.Request) {
	hook := hookOf(r)
	guard := h.Guards[hook]
	if guard != nil {
		if err := guard.CheckAddress(r.RemoteAddr); err != nil {
			h.refuse(w, hook, err)
			return
		}
	}
	raw, err := h.readBody(w, r, guard)
	if err != nil {
		h.fail(w, err)
		return
	}
	id := ""
	if guard != nil {
		if id, err = guard.Check(r.Header, raw, time.Now()); err != nil {
			h.refuse(w, hook, err)
			return
		}
	}
	// Only now: strangers need not know which webhooks there are.
	if !h.Service.ListensTo(engine.TriggerWebhook, hook) {
		h.fail(w, engine.Errorf(engine.NotFound, "there is no webhook %q: no enabled rule has a trigger core.st2.webhook with this url", hook))
		return
	}
	body, err := parseBody(r.Header.Get("Content-Type"), raw)
	if err != nil {
		h.fail(w, err)
		return
	}
	payload, err := webhookPayload(r.Header, guard, body)
	if err != nil {
		h.fail(w, err)
		return
	}
	d := pipeline.Dispatch{
		Trigger: engine.TriggerWebhook, Key: hook, Payload: payload, Lane: engine.LaneEvent,
		TraceTag: r.Header.Get(traceTagHeader), DeliveryID: deliveryID(hook, id, r.Header),
	}
	receipt, err := h.Service.Dispatch(r.Context(), d)
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("X-Petrel-Trigger-Instance", receipt.ID)
	h.write(w, http.StatusAccepted, body)
}

// hookOf returns the webhook that a request is for.
func hookOf(r *http.Request) string { return strings.Trim(chi.URLParam(r, "*"), "/") }

// refuse answers a request that is not genuine.
func (h *handler) refuse(w http.ResponseWriter, hook string, err error) {
	var denied *webhooks.Denied
	if !errors.As(err, &denied) {
		h.fail(w, err)
		return
	}
	h.Logger.Warn("a webhook was refused", "webhook", hook, "reason", denied.Reason)
	h.write(w, denied.Status, fault{denied.Reason})
}

// deliveryID returns the ID of this delivery: what the Guard made out, else the
// sender's own, "" when it has none.
func deliveryID(hook, checked string, header http.Header) string {
	if checked != "" {
		return "webhook/" + hook + "/" + checked
	}
	for _, name := range deliveryHeaders {
		if id := header.Get(name); id != "" {
			return "webhook/" + hook + "/" + id
		}
	}
	return ""
}

// readBody returns the raw body.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request, guard *webhooks.Guard) ([]byte, error) {
	limit := h.MaxBody
	if guard != nil && guard.MaxBody > 0 {
		limit = guard.MaxBody
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, engine.Errorf(engine.Invalid, "the body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "the body could not be read: %v", err)
	}
	return raw, nil
}

// parseBody returns a body as JSON: an object or a list. Forms become an object
// of lists.
func parseBody(contentType string, raw []byte) (json.RawMessage, error) {
	kind, params, err := mime.ParseMediaType(contentType)
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

// webhookPayload is the payload of core.st2.webhook. What proves that the sender
// is genuine stays out of it.
func webhookPayload(header http.Header, guard *webhooks.Guard, body json.RawMessage) (json.RawMessage, error) {
	headers, lower := make(map[string]string), make(map[string]string)
	for name, values := range header {
		if hiddenHeaders[name] || name == traceTagHeader || guard != nil && name == guard.SecretHeader() {
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
