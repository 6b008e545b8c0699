package jinja

import (
	"maps"
	"slices"
)

// Undeclared lists the names that the template takes from its caller, sorted.
// Globals (range, dict, ...) and names that the template sets itself do not count.
// The list must not be changed.
func (t *Template) Undeclared() []string {
	t.undeclaredOnce.Do(func() {
		f := nameFinder{env: t.env, found: map[string]bool{}}
		f.block(t.body, nameSet{})
		t.undeclared = slices.Sorted(maps.Keys(f.found))
	})
	return t.undeclared
}

type nameSet map[string]bool

// nameFinder collects the names that are not declared where they are read.
type nameFinder struct {
	env   *Env
	found map[string]bool
}

func (f *nameFinder) block(body []stmt, declared nameSet) {
	for _, s := range body {
		f.stmt(s, declared)
	}
}

func (f *nameFinder) inner(body []stmt, declared nameSet) { f.block(body, maps.Clone(declared)) }

func (f *nameFinder) declare(t *target, declared nameSet) {
	for i := range t.parts {
		f.declare(&t.parts[i], declared)
	}
	switch {
	case t.attr != "":
		f.name(t.name, declared)
	case t.name != "":
		declared[t.name] = true
	}
}

func (f *nameFinder) name(name string, declared nameSet) {
	if _, global := f.env.globals[name]; !global && !declared[name] {
		f.found[name] = true
	}
}

func (f *nameFinder) stmt(s stmt, declared nameSet) {
	switch s := s.(type) {
	case outputStmt:
		f.expr(s.x, declared)
	case printStmt:
		f.block(s, declared)
	case *setStmt:
		f.expr(s.x, declared)
		f.declare(&s.target, declared)
	case *setBlockStmt:
		f.expr(s.filter, declared)
		f.inner(s.body, declared)
		f.declare(&s.target, declared)
	case *ifStmt:
		f.branches(s, declared)
	case *forStmt:
		f.expr(s.iter, declared)
		inside := maps.Clone(declared)
		f.declare(&s.target, inside)
		f.expr(s.test, inside)
		inside["loop"] = true
		f.block(s.body, inside)
		f.inner(s.els, declared)
	case *withStmt:
		inside := maps.Clone(declared)
		for i := range s.targets {
			f.expr(s.vals[i], declared)
			f.declare(&s.targets[i], inside)
		}
		f.block(s.body, inside)
	case *filterStmt:
		f.expr(s.filter, declared)
		f.inner(s.body, declared)
	case *macroStmt:
		declared[s.macro.name] = true
		f.macro(&s.macro, declared)
	case *callStmt:
		f.expr(s.call, declared)
		f.macro(&s.caller, declared)
	case *scopeStmt:
		f.inner(s.body, declared)
	}
}

// branches declares what every branch of an if declares; a name set in some of
// them only may still come from outside.
func (f *nameFinder) branches(s *ifStmt, declared nameSet) {
	bodies := append(slices.Clone(s.bodies), s.els)
	var common nameSet
	for i, body := range bodies {
		if i < len(s.tests) {
			f.expr(s.tests[i], declared)
		}
		inside := maps.Clone(declared)
		f.block(body, inside)
		if common == nil {
			common = inside
			continue
		}
		maps.DeleteFunc(common, func(name string, _ bool) bool { return !inside[name] })
	}
	maps.Copy(declared, common)
}

func (f *nameFinder) macro(m *macroDef, declared nameSet) {
	inside := maps.Clone(declared)
	for _, x := range m.defaults {
		f.expr(x, declared)
	}
	for _, p := range append(slices.Clone(m.params), "varargs", "kwargs", "caller") {
		inside[p] = true
	}
	f.block(m.body, inside)
}

func (f *nameFinder) exprs(declared nameSet, xs ...expr) {
	for _, x := range xs {
		f.expr(x, declared)
	}
}

func (f *nameFinder) args(a *callArgs, declared nameSet) {
	f.exprs(declared, a.pos...)
	f.exprs(declared, a.named...)
	f.exprs(declared, a.star, a.starStar)
}

func (f *nameFinder) expr(x expr, declared nameSet) {
	switch x := x.(type) {
	case *nameExpr:
		f.name(x.name, declared)
	case *listExpr:
		f.exprs(declared, x.items...)
	case *tupleExpr:
		f.exprs(declared, x.items...)
	case *dictExpr:
		f.exprs(declared, x.keys...)
		f.exprs(declared, x.vals...)
	case *attrExpr:
		f.expr(x.obj, declared)
	case *itemExpr:
		f.exprs(declared, x.obj, x.key)
	case *sliceExpr:
		f.exprs(declared, x.start, x.stop, x.step)
	case *callExpr:
		f.expr(x.fn, declared)
		f.args(&x.args, declared)
	case *filterExpr:
		f.expr(x.obj, declared)
		f.args(&x.args, declared)
	case *testExpr:
		f.expr(x.obj, declared)
		f.args(&x.args, declared)
	case *notExpr:
		f.expr(x.x, declared)
	case *unaryExpr:
		f.expr(x.x, declared)
	case *binaryExpr:
		f.exprs(declared, x.a, x.b)
	case *logicExpr:
		f.exprs(declared, x.a, x.b)
	case *concatExpr:
		f.exprs(declared, x.parts...)
	case *compareExpr:
		f.expr(x.first, declared)
		f.exprs(declared, x.rest...)
	case *condExpr:
		f.exprs(declared, x.test, x.then, x.els)
	}
}
