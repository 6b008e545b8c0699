package packs

import (
	"encoding/json"

	"petrel/engine"
)

// Bounds of action.retry, as StackStorm has them.
const (
	defaultRetries, maxRetries = 2, 5
	maxRetryDelay              = 120 // seconds
)

// readPolicy reads one file of policies/.
func readPolicy(f *file, o *object, p *Pack, name string) *engine.Policy {
	o.only(append([]string{"name", "pack", "description", "enabled", "resource_ref", "policy_type", "parameters", "tags"}, computed...)...)
	r := readResource(o, p, "policy", name)
	policy := &engine.Policy{
		ID: r.id, Ref: r.ref, UID: r.uid, Pack: p.Ref, Name: r.name, Description: r.description, Enabled: o.flag("enabled", true),
		ResourceRef:  o.must("resource_ref", "it names the action, for example core.local"),
		PolicyType:   o.must("policy_type", "it is action.concurrency, action.concurrency.attr or action.retry"),
		MetadataFile: name,
	}
	checkTags(o)
	parameters := o.child("parameters")
	if parameters == nil {
		parameters = &object{file: f, path: o.at("parameters"), line: o.line}
	}
	var err error
	switch policy.PolicyType {
	case engine.PolicyConcurrency, engine.PolicyConcurrencyAttr:
		policy.Parameters, err = json.Marshal(readConcurrency(parameters, policy.PolicyType == engine.PolicyConcurrencyAttr))
	case engine.PolicyRetry:
		policy.Parameters, err = json.Marshal(readRetry(parameters))
	case "":
	default:
		types := []string{engine.PolicyConcurrency, engine.PolicyConcurrencyAttr, engine.PolicyRetry}
		f.report(o.lineOf("policy_type"), "there is no policy type %s; %s", policy.PolicyType, suggestion(policy.PolicyType, types))
	}
	if err != nil {
		f.report(o.line, "parameters: %v", err)
	}
	if f.failed() {
		return nil
	}
	return policy
}

func readConcurrency(o *object, byAttributes bool) engine.ConcurrencyLimit {
	known := []string{"threshold", "action"}
	if byAttributes {
		known = append(known, "attributes")
	}
	o.only(known...)
	limit := engine.ConcurrencyLimit{Threshold: o.number("threshold", 0), Action: o.text("action")}
	if byAttributes {
		limit.Attributes = o.texts("attributes")
	}
	if limit.Threshold < 1 {
		o.file.report(o.lineOf("threshold"), "%s must be a whole number above 0: how many may run at a time", o.at("threshold"))
	}
	if limit.Action == "" {
		limit.Action = "delay"
	}
	if limit.Action != "delay" && limit.Action != "cancel" {
		o.file.report(o.lineOf("action"), "%s is delay or cancel, not %q", o.at("action"), limit.Action)
	}
	return limit
}

func readRetry(o *object) engine.RetryLimit {
	o.only("retry_on", "max_retry_count", "delay")
	limit := engine.RetryLimit{RetryOn: o.text("retry_on"), MaxRetryCount: o.number("max_retry_count", defaultRetries), Delay: o.number("delay", 0)}
	if limit.RetryOn != "failure" && limit.RetryOn != "timeout" {
		o.file.report(o.lineOf("retry_on"), "%s is failure or timeout", o.at("retry_on"))
	}
	if limit.MaxRetryCount < 1 || limit.MaxRetryCount > maxRetries {
		o.file.report(o.lineOf("max_retry_count"), "%s must be from 1 to %d", o.at("max_retry_count"), maxRetries)
	}
	if limit.Delay < 0 || limit.Delay > maxRetryDelay {
		o.file.report(o.lineOf("delay"), "%s must be from 0 to %d seconds", o.at("delay"), maxRetryDelay)
	}
	return limit
}

// number reads a whole number.
func (o *object) number(name string, otherwise int) int {
	if !o.has(name) {
		return otherwise
	}
	var n int
	if err := json.Unmarshal(o.file.json(o.fields[name].value), &n); err != nil {
		o.mismatch(name, "a whole number")
		return otherwise
	}
	return n
}
