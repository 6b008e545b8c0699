package exprlang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"

	"petrel/engine/expression/diagnose"
	"petrel/engine/expression/functions"
)

// reserved begins the names that the compiled program uses for itself.
const reserved = "__"

// runName is the name under which a program finds its own evaluation.
const runName = reserved + "run"

// collector finds the names and functions of an expression, and what may not be in it.
type collector struct {
	source    string
	locals    map[string]bool // names that the expression itself declares
	seen      map[string]bool
	names     []used
	functions []*builtin.Function
	err       *Error
}

// walk visits the whole tree: first declarations, then uses.
func (c *collector) walk(root *ast.Node) {
	ast.Walk(root, visitor(func(n *ast.Node) {
		if d, ok := (*n).(*ast.VariableDeclaratorNode); ok {
			c.locals[d.Name] = true
		}
	}))
	callees := map[ast.Node]bool{}
	ast.Walk(root, visitor(func(n *ast.Node) {
		if call, ok := (*n).(*ast.CallNode); ok {
			callees[call.Callee] = true
			c.call(call)
		}
	}))
	ast.Walk(root, visitor(func(n *ast.Node) {
		if id, ok := (*n).(*ast.IdentifierNode); ok && !callees[*n] {
			c.name(id)
		}
	}))
}

type visitor func(n *ast.Node)

// Visit implements ast.Visitor.
func (v visitor) Visit(n *ast.Node) { v(n) }

func (c *collector) fail(n ast.Node, hint, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{Msg: fmt.Sprintf(format, args...), Hint: hint, Source: c.source, Pos: byteOffset(c.source, n.Location().From)}
	}
}

func (c *collector) name(id *ast.IdentifierNode) {
	switch {
	case c.locals[id.Value] || c.seen[id.Value]:
	case id.Value == "$env" || strings.HasPrefix(id.Value, reserved):
		c.fail(id, "", "%s cannot be used", id.Value)
	default:
		c.seen[id.Value] = true
		c.names = append(c.names, used{id.Value, id.Location().From})
	}
}

// call checks that a function exists and takes so many arguments.
func (c *collector) call(call *ast.CallNode) {
	id, ok := call.Callee.(*ast.IdentifierNode)
	if !ok {
		c.fail(call.Callee, "call functions: f(x)", "values have no methods")
		return
	}
	f := shared()[id.Value]
	if f == nil {
		known := slices.AppendSeq(slices.Collect(maps.Keys(shared())), maps.Keys(builtin.Index))
		slices.Sort(known)
		c.fail(id, diagnose.DidYouMean(id.Value, known), "unknown function %s", id.Value)
		return
	}
	least, most := 0, len(f.Params)
	for _, p := range f.Params {
		if p.Required {
			least++
		}
	}
	if f.Variadic {
		least, most = 0, len(call.Arguments)
	}
	if n := len(call.Arguments); n < least || n > most {
		c.fail(id, signature(f), "%s() does not take %d arguments", f.Name, n)
	}
	if !slices.ContainsFunc(c.functions, func(have *builtin.Function) bool { return have.Name == f.Name }) {
		c.functions = append(c.functions, sharedFunction(f))
	}
}

// signature shows how a function is written.
func signature(f *functions.Func) string {
	var parts []string
	for _, p := range f.Params {
		switch {
		case f.Variadic:
		case p.Required:
			parts = append(parts, p.Name)
		default:
			parts = append(parts, p.Name+"?")
		}
	}
	if f.Variadic {
		parts = append(parts, "...")
	}
	return "it is written " + f.Name + "(" + strings.Join(parts, ", ") + ")"
}

// patcher makes operators and members work on the value model: it puts calls of
// [helpers] in their place, which are given the evaluation so that they can count.
type patcher struct {
	source  string
	helpers []*builtin.Function
}

func (p *patcher) patch(root *ast.Node) { ast.Walk(root, p) }

// call is a call of a helper on some nodes and the evaluation.
func (p *patcher) call(name string, args ...ast.Node) *ast.CallNode {
	name = reserved + name
	if !slices.ContainsFunc(p.helpers, func(f *builtin.Function) bool { return f.Name == name }) {
		p.helpers = append(p.helpers, helpers()[name])
	}
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: append(args, &ast.IdentifierNode{Value: runName})}
}

func (p *patcher) replace(n *ast.Node, name string, args ...ast.Node) {
	call := p.call(name, args...)
	call.Callee.SetLocation((*n).Location())
	ast.Patch(n, call)
}

// plain wraps a part so that builtins and operators of expr see plain Go values, and the
// work they will do on it is counted.
func (p *patcher) plain(n ast.Node) ast.Node {
	switch x := n.(type) {
	case *ast.PredicateNode, *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode, *ast.ConstantNode, *ast.BuiltinNode, *ast.ArrayNode, *ast.MapNode:
		return n
	case *ast.BinaryNode:
		if x.Operator == ".." {
			return n
		}
	case *ast.CallNode:
		if id, ok := x.Callee.(*ast.IdentifierNode); ok && id.Value == reserved+"go" {
			return n
		}
	}
	call := p.call("go", n)
	call.SetLocation(n.Location())
	return call
}

// Visit implements ast.Visitor; children come before their parents.
func (p *patcher) Visit(n *ast.Node) {
	switch x := (*n).(type) {
	case *ast.MemberNode:
		lenient := x.Optional || isLenient(x.Node)
		if lenient {
			p.replace(n, "getOptional", x.Node, x.Property)
		} else {
			p.replace(n, "get", x.Node, x.Property)
		}
	case *ast.SliceNode:
		x.Node = p.plain(x.Node)
	case *ast.BinaryNode:
		p.binary(n, x)
	case *ast.BuiltinNode:
		p.builtin(n, x)
	case *ast.CallNode:
		if id, ok := x.Callee.(*ast.IdentifierNode); ok && !strings.HasPrefix(id.Value, reserved) {
			x.Arguments = append(x.Arguments, &ast.IdentifierNode{Value: runName})
		}
	}
}

// isLenient tells whether a member stands in a chain after ?., where nil goes through.
func isLenient(n ast.Node) bool {
	call, ok := n.(*ast.CallNode)
	if !ok {
		return false
	}
	id, ok := call.Callee.(*ast.IdentifierNode)
	return ok && id.Value == reserved+"getOptional"
}

func (p *patcher) binary(n *ast.Node, x *ast.BinaryNode) {
	switch x.Operator {
	case "==":
		p.replace(n, "equal", x.Left, x.Right)
	case "!=":
		p.replace(n, "notEqual", x.Left, x.Right)
	case "in":
		p.replace(n, "in", x.Left, x.Right)
	case "+":
		p.replace(n, "add", x.Left, x.Right)
	case "<", ">", "<=", ">=", "contains", "startsWith", "endsWith", "matches", "-", "*", "/", "%", "**", "^", "..":
		x.Left, x.Right = p.plain(x.Left), p.plain(x.Right)
	}
}

// own are the builtins of expr that are replaced: to keep the order of maps and Python's
// spelling of values, or because their result can be large.
var own = map[string]string{
	"len": "len", "keys": "keys", "values": "values", "toPairs": "pairs", "string": "string", "toJSON": "toJSON", "fromJSON": "fromJSON",
	"join": "join", "replace": "replace", "repeat": "repeat", "now": "now", "get": "getOptional",
}

func (p *patcher) builtin(n *ast.Node, x *ast.BuiltinNode) {
	if name, ok := own[x.Name]; ok {
		p.replace(n, name, x.Arguments...)
		return
	}
	for i := range x.Arguments {
		x.Arguments[i] = p.plain(x.Arguments[i])
	}
}
