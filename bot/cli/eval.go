package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"petrel/engine/expression"
	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
	"petrel/engine/expression/yaql"
)

// newEvalCommand is petrel eval: it evaluates an expression as rules, actions and
// workflows would, and prints its value as JSON.
func newEvalCommand(fetch executionFetcher) *cobra.Command {
	var o evalOptions
	c := &cobra.Command{
		Use:   "eval [flags] EXPR",
		Short: "Evaluate an expression and print its value as JSON",
		Long: `Evaluate a YAQL, Jinja or expr expression and print its value as JSON.

The expression may be bare (ctx().a + 1) or a text with delimiters (<% ... %>, {{ ... }},
<%= ... %>); a text is evaluated as a workflow or an action parameter would. The names
it sees come from --context: ctx() of workflows, and in Jinja and expr also top-level
names. A wrong expression is shown with a caret under the place.`,
		Example: `  petrel eval '[1, 2, 3].where($ > 1).sum()'
  petrel eval --context vars.yaml 'ctx(servers).where($.cpu > 80).host'
  petrel eval --data result.json '$.items.select($.name)'
  petrel eval --lang jinja --context vars.yaml '{{ trigger.body.name | upper }}'
  petrel eval --execution 6b0249c33da39346e446f072 '{{ execution.result.stdout }}'
  petrel eval --lang expr --context vars.yaml 'trigger.body.severity in ["critical"]'
  echo '{"lang": "yaql", "expr": "$ * 2", "data": 21}' | petrel eval --batch`,
		Args: func(c *cobra.Command, args []string) error {
			if o.batch {
				return exactArgs(0, "")(c, args)
			}
			return exactArgs(1, "the expression")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			e := newEvaluator()
			if o.batch {
				return e.batch(c.Context(), c.InOrStdin(), c.OutOrStdout())
			}
			q, err := o.query(args[0], c.InOrStdin())
			if err == nil && o.execution != "" {
				err = q.addExecution(c.Context(), fetch, o.execution)
			}
			if err != nil {
				return err
			}
			out, err := e.json(c.Context(), q)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", out)
			return err
		},
	}
	c.Flags().StringVar(&o.lang, "lang", "", "language: yaql, jinja or expr (default: by the delimiters, else yaql)")
	c.Flags().StringVar(&o.context, "context", "", "JSON or YAML `file` with the names the expression sees (- is standard input)")
	c.Flags().StringVar(&o.execution, "execution", "", "`ID` of an execution whose names the expression sees: execution, action_context, action_parameters, action_results and its parameters")
	c.Flags().StringVar(&o.data, "data", "", "JSON or YAML `file` with the value of YAQL's $ (- is standard input)")
	c.Flags().BoolVar(&o.batch, "batch", false, "read one JSON object {lang, expr, data?, context?} a line, print one {value} or {error} a line")
	return c
}

type evalOptions struct {
	lang, context, data string
	execution           string
	batch               bool
}

// evalQuery is one expression with what it sees.
type evalQuery struct {
	lang, expr string
	data       any
	context    *value.Dict
}

func (o evalOptions) query(expr string, stdin io.Reader) (evalQuery, error) {
	if o.data == "-" && o.context == "-" {
		return evalQuery{}, errors.New("--data and --context cannot both be standard input")
	}
	q := evalQuery{lang: o.lang, expr: expr}
	var err error
	if q.data, err = readValue("--data", o.data, stdin); err != nil {
		return q, err
	}
	names, err := readValue("--context", o.context, stdin)
	if err != nil {
		return q, err
	}
	q.context, err = contextMap(names)
	return q, err
}

// executionFetcher returns the API form of an execution, as JSON.
type executionFetcher func(ctx context.Context, id string) ([]byte, error)

// addExecution adds the names of an execution to what the expression sees.
func (q *evalQuery) addExecution(ctx context.Context, fetch executionFetcher, id string) error {
	body, err := fetch(ctx, id)
	if err != nil {
		return err
	}
	v, err := value.ParseJSON(body)
	if err != nil {
		return fmt.Errorf("execution %s: %w", id, err)
	}
	execution, err := contextMap(v)
	if err != nil {
		return fmt.Errorf("execution %s: %w", id, err)
	}
	q.context.SetString("execution", execution)
	for name, field := range map[string]string{"action_context": "context", "action_parameters": "parameters", "action_results": "result"} {
		part, _ := execution.GetString(field)
		q.context.SetString(name, part)
	}
	parameters, _ := execution.GetString("parameters")
	if d, ok := parameters.(*value.Dict); ok {
		for name, v := range d.All() {
			if text, ok := name.(string); ok {
				q.context.SetString(text, v)
			}
		}
	}
	return nil
}

// readValue reads a JSON or YAML file; no name gives null.
func readValue(flag, name string, stdin io.Reader) (any, error) {
	var b []byte
	var err error
	switch name {
	case "":
		return nil, nil
	case "-":
		b, err = io.ReadAll(stdin)
	default:
		b, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if v, err := value.ParseJSON(b); err == nil {
		return v, nil
	}
	v, err := value.ParseYAML(b)
	if err != nil {
		return nil, fmt.Errorf("%s %s: neither JSON nor YAML: %w", flag, name, err)
	}
	return v, nil
}

func contextMap(v any) (*value.Dict, error) {
	switch x := v.(type) {
	case nil:
		return value.NewDict(0), nil
	case *value.Dict:
		return x, nil
	}
	return nil, fmt.Errorf("the context must be a map of names to values, not %s", value.TypeName(v))
}

// evaluator evaluates queries one after the other; compiled expressions are kept.
type evaluator struct {
	renderer *expression.Renderer
	patterns *functions.Patterns
}

func newEvaluator() *evaluator {
	return &evaluator{expression.New(expression.Options{}), &functions.Patterns{}}
}

func (e *evaluator) json(ctx context.Context, q evalQuery) ([]byte, error) {
	v, err := e.eval(ctx, q)
	if err != nil {
		return nil, err
	}
	return value.AppendJSON(nil, v)
}

func (e *evaluator) eval(ctx context.Context, q evalQuery) (any, error) {
	if q.lang == "" {
		if q.lang = expression.Detect(q.expr); q.lang == "" {
			q.lang = expression.YAQL
		}
	}
	switch q.lang {
	case expression.YAQL:
		return e.yaql(ctx, q)
	case expression.Jinja:
		return e.jinja(ctx, q)
	case expression.Expr:
		return e.expr(ctx, q)
	}
	return nil, fmt.Errorf("unknown language %q: it is yaql, jinja or expr", q.lang)
}

// yaql evaluates a bare expression, or a text with <% %>, which no bare expression begins like.
func (e *evaluator) yaql(ctx context.Context, q evalQuery) (any, error) {
	p, err := yaql.Compile(q.expr)
	if err != nil {
		if len(expression.Find(q.expr, expression.YAQL)) > 0 {
			return e.workflow(ctx, q)
		}
		return nil, err
	}
	return p.Eval(ctx, yaql.Env{Data: q.data, Workflow: functions.Variables{Context: q.context}, Patterns: e.patterns})
}

func (e *evaluator) workflow(ctx context.Context, q evalQuery) (any, error) {
	return e.renderer.Orquesta(ctx, q.expr, expression.OrquestaScope{Workflow: functions.Variables{Context: q.context}})
}

// jinja renders a template to text. A bare expression keeps its type, and what asks a
// workflow (ctx() and so on) is evaluated as there.
func (e *evaluator) jinja(ctx context.Context, q evalQuery) (any, error) {
	bare := !expression.IsTemplate(q.expr)
	if bare {
		q.expr = "{{ " + q.expr + " }}"
	}
	undeclared, err := e.renderer.Undeclared(q.expr)
	if err != nil {
		return nil, err
	}
	workflow := functions.ByName(functions.Orquesta)
	if slices.ContainsFunc(undeclared, func(name string) bool {
		_, given := q.context.GetString(name)
		return workflow[name] != nil && !given
	}) {
		return e.workflow(ctx, q)
	}
	if bare {
		return e.renderer.Typed(ctx, q.expr, evalNames(q.context))
	}
	return e.renderer.String(ctx, q.expr, evalNames(q.context))
}

func (e *evaluator) expr(ctx context.Context, q evalQuery) (any, error) {
	if strings.HasPrefix(strings.TrimSpace(q.expr), "<%") || strings.Contains(q.expr, "<%=") {
		return e.workflow(ctx, q)
	}
	return e.renderer.ExprIn(ctx, q.expr, evalNames(q.context), functions.Variables{Context: q.context})
}

func evalNames(d *value.Dict) expression.Names {
	names := make(expression.Names, d.Len())
	for k, v := range d.All() {
		if s, ok := k.(string); ok {
			names[s] = v
		}
	}
	return names
}

// maxEvalLine bounds a line of a batch, in bytes.
const maxEvalLine = 64 << 20

// batch answers every line of in with a line of out, until the end of in.
func (e *evaluator) batch(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxEvalLine)
	w := bufio.NewWriter(out)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if _, err := w.Write(append(e.answer(ctx, line), '\n')); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the batch: %w", err)
	}
	return ctx.Err()
}

// answer is {"value": ...} or {"error": text}.
func (e *evaluator) answer(ctx context.Context, line []byte) []byte {
	q, err := parseQuery(line)
	var v any
	if err == nil {
		v, err = e.eval(ctx, q)
	}
	if err == nil {
		var out []byte
		if out, err = value.AppendJSON(nil, value.DictOf("value", v)); err == nil {
			return out
		}
	}
	out, _ := value.AppendJSON(nil, value.DictOf("error", err.Error())) // text always has a JSON form
	return out
}

func parseQuery(line []byte) (evalQuery, error) {
	v, err := value.ParseJSON(line)
	if err != nil {
		return evalQuery{}, fmt.Errorf("not a JSON object: %w", err)
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return evalQuery{}, fmt.Errorf("not a JSON object {lang, expr, data?, context?} but %s", value.TypeName(v))
	}
	q := evalQuery{}
	if lang, ok := d.GetString("lang"); ok && lang != nil {
		q.lang = value.Str(lang)
	}
	expr, _ := d.GetString("expr")
	if q.expr, ok = expr.(string); !ok {
		return q, errors.New(`"expr" must be a text`)
	}
	q.data, _ = d.GetString("data")
	names, _ := d.GetString("context")
	q.context, err = contextMap(names)
	return q, err
}
