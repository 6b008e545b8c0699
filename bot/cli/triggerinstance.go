package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"petrel/bot/api"
	"petrel/engine/pipeline"
)

// instanceFlags select trigger instances.
type instanceFlags struct {
	trigger, status, since string
	limit                  int
	asJSON                 bool
}

func (a *app) triggerInstanceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trigger-instance", Short: "Look at the events that came in",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	var o instanceFlags
	list := &cobra.Command{
		Use: "list", Short: "List events, newest first",
		Example: "  petrel trigger-instance list --trigger core.st2.webhook --since 2h",
		Args:    exactArgs(0, ""), RunE: func(cmd *cobra.Command, _ []string) error { return a.listInstances(cmd.Context(), o) },
	}
	list.Flags().StringVar(&o.trigger, "trigger", "", "only those of a trigger type, such as core.st2.webhook")
	list.Flags().StringVar(&o.status, "status", "", "only those that are pending, processed or processing_failed")
	list.Flags().StringVar(&o.since, "since", "", "only those of the last time, such as 30m, 2h or 7d")
	list.Flags().IntVarP(&o.limit, "last", "n", 50, "how many at most")
	list.Flags().BoolVarP(&o.asJSON, "json", "j", false, "print JSON")
	get := &cobra.Command{
		Use: "get ID", Short: "Show an event with its payload",
		Args: exactArgs(1, "the trigger instance"), RunE: func(cmd *cobra.Command, args []string) error {
			var v json.RawMessage
			if _, err := a.ask(cmd.Context(), "/api/v1/triggerinstances/"+url.PathEscape(args[0]), &v); err != nil {
				return err
			}
			return a.printJSON(v)
		},
	}
	reemit := &cobra.Command{
		Use: "re-emit ID", Short: "Make an event happen again",
		Args: exactArgs(1, "the trigger instance"), RunE: func(cmd *cobra.Command, args []string) error { return a.reemit(cmd.Context(), args[0]) },
	}
	cmd.AddCommand(list, get, reemit)
	return cmd
}

func (a *app) listInstances(ctx context.Context, o instanceFlags) error {
	if o.limit < 1 {
		return usageError{fmt.Errorf("--last is %d, must be 1 or more", o.limit)}
	}
	q := url.Values{}
	for name, v := range map[string]string{"trigger": o.trigger, "status": o.status} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if o.since != "" {
		since, err := sinceTime(o.since)
		if err != nil {
			return err
		}
		q.Set("timestamp_gt", since.UTC().Format(time.RFC3339))
	}
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	type row struct {
		ID      string `json:"id"`
		Trigger string `json:"trigger"`
		Key     string `json:"key"`
		At      string `json:"occurrence_time"`
		Status  string `json:"status"`
	}
	var all []json.RawMessage
	for len(all) < o.limit { // the server gives a hundred at a time
		q.Set("limit", strconv.Itoa(min(o.limit-len(all), 100)))
		q.Set("offset", strconv.Itoa(len(all)))
		body, err := get(ctx, cfg, "/api/v1/triggerinstances?"+q.Encode())
		if err != nil {
			return err
		}
		var page []json.RawMessage
		if err := json.Unmarshal(body, &page); err != nil {
			return fmt.Errorf("the server's answer cannot be read: %w", err)
		}
		all = append(all, page...)
		if len(page) == 0 {
			break
		}
	}
	if o.asJSON {
		return a.printJSON(all)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTIME\tSTATUS\tTRIGGER")
	for _, raw := range all {
		var r row
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("the server's answer cannot be read: %w", err)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.ID, r.At, r.Status, strings.TrimSpace(r.Trigger+" "+r.Key))
	}
	return w.Flush()
}

func (a *app) reemit(ctx context.Context, id string) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := call(ctx, cfg, http.MethodPost, "/api/v1/triggerinstances/"+url.PathEscape(id)+"/re_emit", nil)
	if err != nil {
		return err
	}
	var r struct{ ID string }
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	fmt.Fprintf(a.out, "%s was emitted again as %s.\n", id, r.ID)
	return nil
}

// sinceTime reads how long ago something was: 30m, 2h, 7d.
func sinceTime(text string) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100*365 {
			return time.Now().AddDate(0, 0, -n), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, usageError{fmt.Errorf("--since is %q; write for example 30m, 2h or 7d", text)}
	}
	return time.Now().Add(-d), nil
}

func (a *app) timerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "timer", Short: "Look at the timers that rules ask for",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	asJSON := false
	list := &cobra.Command{
		Use: "list", Short: "List timers and when they fire next",
		Args: exactArgs(0, ""), RunE: func(cmd *cobra.Command, _ []string) error { return a.listTimers(cmd.Context(), asJSON) },
	}
	list.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.AddCommand(list)
	return cmd
}

func (a *app) listTimers(ctx context.Context, asJSON bool) error {
	var list []api.Timer
	body, err := a.ask(ctx, "/api/v1/timers", &list)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(json.RawMessage(body))
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TYPE\tPARAMETERS\tNEXT\tLAST\tRULES")
	for _, t := range list {
		next, last := t.Problem, "-"
		if t.Next != nil {
			next = t.Next.Format(time.RFC3339)
		}
		if t.Last != nil {
			last = t.Last.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Type, t.Parameters, next, last, strings.Join(t.Rules, " "))
	}
	return w.Flush()
}

func (a *app) traceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trace", Short: "Follow an event to all that came of it",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	asJSON := false
	get := &cobra.Command{
		Use: "get TAG|ID", Short: "Print the tree of a trace: event, rule, execution, what is below it, replies",
		Long: `Prints what an event brought about. ID is that of the trace, of a trigger instance or
of any execution in it; TAG its trace tag, of several the newest.`,
		Args: exactArgs(1, "the trace"), RunE: func(cmd *cobra.Command, args []string) error {
			var t pipeline.Trace
			body, err := a.ask(cmd.Context(), "/api/v1/traces/"+url.PathEscape(args[0]), &t)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(json.RawMessage(body))
			}
			fmt.Fprintf(a.out, "trace %s %s\n", t.ID, t.Tag)
			a.printTrace(t.Roots, "")
			return nil
		},
	}
	get.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.AddCommand(get)
	return cmd
}

func (a *app) printTrace(nodes []*pipeline.TraceNode, indent string) {
	for i, n := range nodes {
		branch, below := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, below = "└─ ", "   "
		}
		words := []string{n.Kind, n.Ref}
		for _, word := range []string{n.Status, n.ID} {
			if word != "" {
				words = append(words, word)
			}
		}
		words = append(words, n.At.UTC().Format(time.RFC3339))
		if n.Detail != "" {
			words = append(words, "("+n.Detail+")")
		}
		fmt.Fprintln(a.out, indent+branch+strings.Join(words, "  "))
		a.printTrace(n.Children, indent+below)
	}
}
