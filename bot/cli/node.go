package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"petrel/bot/server"
	"petrel/config"
)

func (a *app) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "node", Short: "Look at the processes that share the work",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List the processes that run on this store, by asking the server at http.listen",
		Args:  exactArgs(0, ""),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listNodes(cmd.Context(), asJSON) },
	}
	list.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.AddCommand(list)
	return cmd
}

func (a *app) listNodes(ctx context.Context, asJSON bool) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := get(ctx, cfg, "/api/v1/nodes")
	if err != nil {
		return err
	}
	if asJSON {
		_, err := a.out.Write(body)
		return err
	}
	var nodes []server.Node
	if err := json.Unmarshal(body, &nodes); err != nil {
		return fmt.Errorf("the server's answer is no list of nodes: %w", err)
	}
	slices.SortFunc(nodes, func(a, b server.Node) int { return strings.Compare(a.Name, b.Name) })
	now := time.Now()
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tHOST\tPID\tROLES\tSTARTED\tSEEN")
	for _, n := range nodes {
		state := "alive"
		if !n.Alive(now) {
			state = "silent"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s ago\n", n.Name, state, n.Host, n.PID, n.Roles,
			n.Started.Local().Format(time.DateTime), now.Sub(n.Seen).Round(time.Second))
	}
	return w.Flush()
}

// fetchExecution asks the server for one execution.
func (a *app) fetchExecution(ctx context.Context, id string) ([]byte, error) {
	cfg, err := a.load(nil)
	if err != nil {
		return nil, err
	}
	return get(ctx, cfg, "/api/v1/executions/"+url.PathEscape(id))
}

const (
	maxAnswer = 64 << 20 // bytes of an answer of the server
	callLimit = 5 * time.Minute
)

// get asks the server that the configuration names.
func get(ctx context.Context, cfg *config.Config, path string) ([]byte, error) {
	return call(ctx, cfg, http.MethodGet, path, nil)
}

// answerError is a refusal of the server.
type answerError struct {
	status int
	text   string
}

func (e *answerError) Error() string { return e.text }

// errNoServer: nobody listens at http.listen.
var errNoServer = errors.New("no server answers")

// call sends a request to the server that the configuration names; body is
// written as JSON unless it is nil.
func call(ctx context.Context, cfg *config.Config, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+cfg.HTTP.Listen+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := cfg.HTTP.Token.Reveal(); token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			return nil, fmt.Errorf("ask the server at %s: %w", cfg.HTTP.Listen, err)
		}
		return nil, fmt.Errorf("%w at %s (is it running? is http.listen the same?): %w", errNoServer, cfg.HTTP.Listen, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, &answerError{resp.StatusCode, fmt.Sprintf("the server answered %s: %s", resp.Status, faultText(answer))}
	}
	return answer, nil
}

// faultText is what an error body says.
func faultText(body []byte) string {
	var fault struct{ Faultstring string }
	if json.Unmarshal(body, &fault) == nil && fault.Faultstring != "" {
		return fault.Faultstring
	}
	return strings.TrimSpace(string(body))
}
