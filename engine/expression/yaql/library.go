package yaql

import (
	"strings"
	"sync"

	"petrel/engine/expression/functions"
)

// library is the table of all functions. It never changes once made.
type library struct {
	functions map[string][]*overload
	methods   map[string][]*overload
	shared    map[string]*functions.Func
}

// standard gives the one library; it is made when it is first needed.
var standard = sync.OnceValue(func() *library {
	l := &library{
		functions: make(map[string][]*overload),
		methods:   make(map[string][]*overload),
		shared:    functions.ByName(functions.Orquesta),
	}
	for _, part := range []func(*library){
		systemLibrary, branchingLibrary, mapLibrary, listLibrary, setLibrary, queryLibrary, sequenceLibrary, generatorLibrary,
		stringLibrary, regexLibrary, mathLibrary, typeLibrary, timeLibrary,
	} {
		part(l)
	}
	return l
})

// function adds an overload under one or more names separated by |.
func (l *library) function(names, signature string, run impl) {
	add(l.functions, names, signature, run)
}

// method adds an overload whose first parameter is the receiver.
func (l *library) method(names, signature string, run impl) {
	add(l.methods, names, signature, run)
}

// both adds an overload that is a function and a method.
func (l *library) both(names, signature string, run impl) {
	l.function(names, signature, run)
	l.method(names, signature, run)
}

func add(table map[string][]*overload, names, signature string, run impl) {
	o := parseSignature(signature)
	o.run = run
	for _, name := range strings.Split(names, "|") {
		table[name] = append(table[name], o)
	}
}

// fn gives a lambda argument, nil when it was not given.
func fn(v any) *lambda {
	l, _ := v.(*lambda)
	return l
}

// whole gives an integer argument, bounded to what counts and positions can be.
func whole(v any) int {
	const limit = 1 << 40
	n, ok := v.(int64)
	if !ok { // a big integer
		return limit
	}
	return int(max(-limit, min(n, limit)))
}
