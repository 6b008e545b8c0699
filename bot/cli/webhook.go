package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"petrel/bot/server"
	"petrel/bot/webhooks"
	"petrel/engine"
)

func (a *app) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "webhook", Short: "Look at and try webhooks",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	list := &cobra.Command{
		Use: "list", Short: "List the webhooks that the configuration guards, and how",
		Args: exactArgs(0, ""), RunE: func(*cobra.Command, []string) error { return a.listWebhooks() },
	}
	var t webhookTry
	try := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a signed sample to a webhook of the running server, as its sender would",
		Example: "  petrel webhook test github --sample github-push\n" +
			"  petrel webhook test alertmanager --body alert.json",
		Args: exactArgs(1, "the webhook"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.tryWebhook(cmd.Context(), args[0], t) },
	}
	try.Flags().StringVar(&t.sample, "sample", "", "body to send: "+strings.Join(webhooks.Samples(), ", "))
	try.Flags().StringVar(&t.file, "body", "", "file with the body to send, - for standard input")
	try.Flags().StringVar(&t.kind, "content-type", "application/json", "type of the body")
	try.Flags().StringVar(&t.delivery, "delivery", "", "ID of the delivery; a new one when empty")
	try.MarkFlagsMutuallyExclusive("sample", "body")
	cmd.AddCommand(list, try)
	return cmd
}

// webhookTry is what `webhook test` sends.
type webhookTry struct{ sample, file, kind, delivery string }

func (a *app) listWebhooks() error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WEBHOOK\tSCHEME\tFROM")
	for _, hook := range cfg.Webhooks {
		from, scheme := strings.Join(hook.AllowFrom, ", "), hook.Scheme
		if from == "" {
			from = "anywhere"
		}
		if scheme == "" {
			scheme = "none"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", strings.Trim(hook.URL, "/"), scheme, from)
	}
	return w.Flush()
}

func (a *app) tryWebhook(ctx context.Context, name string, t webhookTry) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := t.read(a.in)
	if err != nil {
		return err
	}
	guards, err := server.Guards(cfg)
	if err != nil {
		return err
	}
	name = strings.Trim(name, "/")
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+cfg.HTTP.Listen+"/api/v1/webhooks/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", t.kind)
	for k, v := range webhooks.SampleHeaders(t.sample) {
		req.Header.Set(k, v)
	}
	if t.delivery == "" {
		t.delivery = engine.NewID(time.Now())
	}
	if guard := guards[name]; guard != nil && guard.Scheme != "" {
		if err := guard.Sign(req.Header, body, t.delivery, time.Now()); err != nil {
			return fmt.Errorf("sign the request: %w", err)
		}
	} else if token := cfg.HTTP.Token.Reveal(); token != "" {
		req.Header.Set("St2-Api-Key", token)
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers at %s (is it running? is http.listen the same?): %w", cfg.HTTP.Listen, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("the server answered %s: %s", resp.Status, strings.TrimSpace(string(answer)))
	}
	fmt.Fprintf(a.out, "Taken after %s as trigger instance %s.\n", time.Since(began).Round(100*time.Microsecond), resp.Header.Get("X-Petrel-Trigger-Instance"))
	return nil
}

// read returns the body to send.
func (t webhookTry) read(in io.Reader) ([]byte, error) {
	switch {
	case t.file == "-":
		return io.ReadAll(in)
	case t.file != "":
		return os.ReadFile(t.file)
	case t.sample != "":
		return webhooks.Sample(t.sample)
	}
	return []byte("{}"), nil
}
