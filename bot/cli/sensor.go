package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"petrel/bot/server"
)

func (a *app) sensorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sensor", Short: "Look after the sensors of the packs",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "List the sensors, and how they stand",
		Args: exactArgs(0, ""), RunE: func(cmd *cobra.Command, _ []string) error { return a.listSensors(cmd.Context(), asJSON) },
	}
	list.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	restart := &cobra.Command{
		Use: "restart REF", Short: "Start a sensor anew, wherever it runs, without the pause after failures",
		Args: exactArgs(1, "the sensor"), RunE: func(cmd *cobra.Command, args []string) error { return a.restartSensor(cmd.Context(), args[0]) },
	}
	logs := &cobra.Command{
		Use: "logs REF", Short: "Show what a sensor printed last on this machine",
		Args: exactArgs(1, "the sensor"), RunE: func(_ *cobra.Command, args []string) error { return a.sensorLogs(args[0]) },
	}
	cmd.AddCommand(list, restart, logs)
	return cmd
}

func (a *app) listSensors(ctx context.Context, asJSON bool) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := get(ctx, cfg, "/api/v1/sensors")
	if err != nil {
		return err
	}
	if asJSON {
		_, err := a.out.Write(body)
		return err
	}
	var list []server.SensorView
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("the server's answer is no list of sensors: %w", err)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SENSOR\tSTATUS\tNODE\tPID\tSTARTS\tSINCE\tPROBLEM")
	for _, s := range list {
		status, node, pid, starts, since, problem := "disabled", "-", "-", "-", "-", ""
		if s.Enabled {
			status = "starting"
		}
		if st := s.State; st != nil {
			status, node, starts, since = st.Status, st.Node, fmt.Sprint(st.Starts), st.Since.Local().Format(time.DateTime)
			if st.PID != 0 {
				pid = fmt.Sprint(st.PID)
			}
			if st.Problem != "" {
				problem = fmt.Sprintf("%d failures in a row; %.120q", st.Failures, st.Problem)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Ref, status, node, pid, starts, since, problem)
	}
	return w.Flush()
}

func (a *app) restartSensor(ctx context.Context, ref string) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	if _, err := call(ctx, cfg, http.MethodPost, "/api/v1/sensors/"+url.PathEscape(ref)+"/restart", nil); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is started anew.\n", ref)
	return nil
}

func (a *app) sensorLogs(ref string) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	path := server.SensorLog(cfg.DataDir, ref)
	found := false
	for _, p := range []string{path + ".1", path} {
		body, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		found = true
		if _, err := a.out.Write(body); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("a sensor %s has printed nothing on this machine (no %s)", ref, path)
	}
	return nil
}
