package expression

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/jinja"
	"petrel/engine/expression/value"
)

// OrquestaScope is what the expressions of a workflow can see.
type OrquestaScope struct {
	// Workflow answers ctx(), result(), task_status() ... Its st2kv() is replaced by
	// that of the renderer's datastore, where there is one.
	Workflow functions.Workflow
}

// maxNested bounds how often the text that an expression gives is evaluated again.
const maxNested = 20

// Orquesta evaluates the expressions in a workflow value: texts, and lists and
// maps at every level with the keys of maps. A text that is one expression keeps
// the type of its value; other texts become text. Of Jinja and YAQL in one text
// only the Jinja is evaluated.
func (r *Renderer) Orquesta(ctx context.Context, v any, scope OrquestaScope) (any, error) {
	v, err := value.FromGo(v)
	if err != nil {
		return nil, err
	}
	w := scope.Workflow
	if r.store != nil && w != nil {
		w = stored{w, r}
	}
	e := workflowEval{Renderer: r, ctx: ctx, workflow: w, names: &workflowNames{r.functions, functions.Call{Context: ctx, Workflow: w}}}
	return e.value(v, 0)
}

type workflowEval struct {
	*Renderer
	ctx      context.Context
	workflow functions.Workflow
	names    jinja.Names
}

func (e *workflowEval) value(v any, depth int) (any, error) {
	if depth > 200 {
		return nil, errors.New("the value is nested too deeply")
	}
	switch x := v.(type) {
	case string:
		return e.text(x)
	case *value.List:
		items, err := e.items(x.Items, depth)
		return &value.List{Items: items}, err
	case value.Tuple:
		items, err := e.items(x, depth)
		return value.Tuple(items), err
	case *value.Dict:
		out := value.NewDict(x.Len())
		for k, item := range x.All() {
			key, err := e.value(k, depth+1)
			if err != nil {
				return nil, err
			}
			evaluated, err := e.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			if err := out.Set(key, evaluated); err != nil {
				return nil, fmt.Errorf("the key %s: %w", value.Str(k), err)
			}
		}
		return out, nil
	}
	return v, nil
}

func (e *workflowEval) items(items []any, depth int) ([]any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = e.value(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *workflowEval) text(s string) (any, error) {
	switch lang := Detect(s); lang {
	case "":
		return s, nil
	case Jinja:
		return e.jinja(s, 0)
	default:
		return e.inline(s, lang, 0)
	}
}

// rawBlock is a {% raw %} block on one line.
var rawBlock = regexp.MustCompile(`\{%-?\s*raw\s*-?%\}(.*?)\{%-?\s*endraw\s*-?%\}`)

// jinja evaluates a text with Jinja in it. Raw blocks are taken out first and
// their content is put back as it is.
func (e *workflowEval) jinja(s string, nested int) (any, error) {
	var raw []string
	if strings.Contains(s, "endraw") {
		s = rawBlock.ReplaceAllStringFunc(s, func(block string) string {
			raw = append(raw, rawBlock.FindStringSubmatch(block)[1])
			return fmt.Sprintf("\x00raw%d\x00", len(raw)-1)
		})
	}
	v, err := e.jinjaText(s, nested)
	if text, ok := v.(string); ok && err == nil {
		for i, content := range raw {
			text = strings.ReplaceAll(text, fmt.Sprintf("\x00raw%d\x00", i), content)
		}
		v = text
	}
	return v, err
}

func (e *workflowEval) jinjaText(s string, nested int) (any, error) {
	if len(spans(s, "{%", "%}")) == 0 {
		return e.inline(s, Jinja, nested)
	}
	t, err := cached(e.cache, kindWorkflowText, s, e.workflows.Compile)
	if err != nil {
		return nil, evaluationError(s, err)
	}
	out, err := t.Render(e.ctx, e.names, false)
	if err != nil {
		return nil, evaluationError(s, err)
	}
	v, err := e.inline(out, Jinja, nested)
	if err != nil {
		return nil, err
	}
	return value.Str(v), nil
}

// inline evaluates the expressions of one language in a text.
func (e *workflowEval) inline(s, lang string, nested int) (any, error) {
	found := Find(s, lang)
	if len(found) == 0 {
		return s, nil
	}
	if nested > maxNested {
		return nil, fmt.Errorf("%s: texts with expressions give texts with expressions, more than %d times", found[0].Text, maxNested)
	}
	var out strings.Builder
	last := 0
	for _, x := range found {
		v, err := e.expression(x)
		if err != nil {
			return nil, err
		}
		if text, ok := v.(string); ok {
			if v, err = e.again(text, lang, nested+1); err != nil {
				return nil, err
			}
		}
		if len(found) == 1 && len(x.Text) == len(s) {
			return v, nil
		}
		text, err := value.StrLimit(v, maxText)
		if err != nil {
			return nil, evaluationError(x.Text, err)
		}
		out.WriteString(s[last:x.Start])
		out.WriteString(text)
		if last = x.Start + len(x.Text); out.Len() > maxText {
			return nil, evaluationError(x.Text, value.ErrTooLarge)
		}
	}
	out.WriteString(s[last:])
	return out.String(), nil
}

// maxText bounds the text that a workflow value may become, in bytes.
const maxText = 16 << 20

// again evaluates the text that an expression gave, with the same language.
func (e *workflowEval) again(s, lang string, nested int) (any, error) {
	if lang == Jinja {
		return e.jinja(s, nested)
	}
	return e.inline(s, lang, nested)
}

// expression evaluates one expression.
func (e *workflowEval) expression(x Expression) (any, error) {
	if x.Language == Jinja {
		c, err := cached(e.cache, kindWorkflowInline, x.Source, e.workflows.CompileExpression)
		if err != nil {
			return nil, evaluationError(x.Text, err)
		}
		v, err := c.Eval(e.ctx, e.names)
		if errors.Is(err, jinja.ErrUndefined) {
			return nil, fmt.Errorf("There are unresolved variables: %s: %w", x.Source, err) //nolint:staticcheck // upstream's words
		}
		if err != nil {
			return nil, evaluationError(x.Text, err)
		}
		return v, nil
	}
	compile := e.languages[x.Language]
	if compile == nil {
		return nil, fmt.Errorf("%s: the language %s is not available here", x.Text, x.Language)
	}
	p, err := cachedAs(e.cache, cacheKey{lang: x.Language, source: x.Source}, compile)
	if err != nil {
		return nil, evaluationError(x.Text, err)
	}
	v, err := p.Eval(e.ctx, e.workflow)
	if err != nil {
		return nil, evaluationError(x.Text, err)
	}
	return v, nil
}

func evaluationError(text string, err error) error {
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return fmt.Errorf("Unable to evaluate expression '%s': %w", text, err) //nolint:staticcheck // upstream's words
}
