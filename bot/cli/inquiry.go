package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"petrel/engine/expression/value"
)

func (a *app) inquiryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "inquiry", Short: "Answer what workflows ask",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	asJSON := false
	list := &cobra.Command{
		Use: "list", Short: "List the inquiries that wait for an answer",
		Args: exactArgs(0, ""), RunE: func(cmd *cobra.Command, _ []string) error { return a.listInquiries(cmd.Context(), asJSON) },
	}
	list.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	get := &cobra.Command{
		Use: "get ID", Short: "Show an inquiry",
		Args: exactArgs(1, "the inquiry"), RunE: func(cmd *cobra.Command, args []string) error { return a.getInquiry(cmd.Context(), args[0]) },
	}
	var o answer
	respond := &cobra.Command{
		Use:     "respond ID",
		Short:   "Answer an inquiry",
		Example: "  petrel inquiry respond 6b0249c33da39346e446f072 -r '{\"continue\": true}'",
		Args:    exactArgs(1, "the inquiry"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.respond(cmd.Context(), args[0], o) },
	}
	respond.Flags().StringVarP(&o.response, "response", "r", "", "the answer, a JSON object")
	respond.Flags().StringVar(&o.user, "as", "", "who answers (default: stanley)")
	respond.Flags().StringSliceVar(&o.groups, "groups", nil, "groups that who answers is in")
	respond.Flags().StringSliceVar(&o.roles, "roles", nil, "roles that who answers has")
	cmd.AddCommand(list, get, respond)
	return cmd
}

// answer is what `inquiry respond` sends.
type answer struct {
	response, user string
	groups, roles  []string
}

func (a *app) listInquiries(ctx context.Context, asJSON bool) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := get(ctx, cfg, "/api/v1/inquiries?limit=-1")
	if err != nil {
		return err
	}
	var list []struct {
		ID, Route, Message, Requester string
		Users, Roles                  []string
		Expires                       string `json:"expires_at"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("the answer of the server: %w", err)
	}
	if asJSON {
		return a.printJSON(json.RawMessage(body))
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tROUTE\tUSERS\tROLES\tREQUESTER\tEXPIRES\tQUESTION")
	for _, q := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", q.ID, q.Route, strings.Join(q.Users, ","), strings.Join(q.Roles, ","), q.Requester, q.Expires, q.Message)
	}
	return w.Flush()
}

func (a *app) getInquiry(ctx context.Context, id string) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := get(ctx, cfg, "/api/v1/inquiries/"+url.PathEscape(id))
	if err != nil {
		return err
	}
	return a.printJSON(json.RawMessage(body))
}

func (a *app) respond(ctx context.Context, id string, o answer) error {
	if v, err := value.ParseJSON([]byte(o.response)); err != nil {
		return usageError{fmt.Errorf("--response must be a JSON object such as {\"continue\": true}: %w", err)}
	} else if _, ok := v.(*value.Dict); !ok {
		return usageError{fmt.Errorf("--response must be a JSON object, not %s", value.TypeName(v))}
	}
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body := map[string]any{"id": id, "response": json.RawMessage(o.response), "user": o.user, "groups": o.groups, "roles": o.roles}
	if _, err := call(ctx, cfg, http.MethodPut, "/api/v1/inquiries/"+url.PathEscape(id), body); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "answered %s\n", id)
	return err
}
