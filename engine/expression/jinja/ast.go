package jinja

// expr is an expression node; eval gives its value.
type expr interface {
	eval(st *state) (any, error)
	at() int
}

// stmt is a statement node; exec writes its output.
type stmt interface {
	exec(st *state) error
}

type pos int

func (p pos) at() int { return int(p) }

type (
	constExpr struct {
		pos
		val any
	}
	nameExpr struct {
		pos
		name string
	}
	listExpr struct {
		pos
		items []expr
	}
	tupleExpr struct {
		pos
		items []expr
	}
	dictExpr struct {
		pos
		keys, vals []expr
	}
	attrExpr struct {
		pos
		obj  expr
		name string
	}
	itemExpr struct {
		pos
		obj, key expr
	}
	sliceExpr struct {
		pos
		start, stop, step expr // nil where absent
	}
	callExpr struct {
		pos
		fn   expr
		args callArgs
	}
	filterExpr struct {
		pos
		obj    expr
		name   string
		filter *builtin // nil when unknown inside a branch that may never run
		args   callArgs
	}
	// blockExpr is the text of the {% filter %} or {% set %} block at hand.
	blockExpr struct{ pos }
	testExpr  struct {
		pos
		obj  expr
		name string
		test *builtin // nil when unknown inside a branch that may never run
		args callArgs
	}
	notExpr struct {
		pos
		x expr
	}
	unaryExpr struct {
		pos
		op byte
		x  expr
	}
	binaryExpr struct {
		pos
		op   string
		a, b expr
	}
	logicExpr struct {
		pos
		and  bool
		a, b expr
	}
	concatExpr struct {
		pos
		parts []expr
	}
	compareExpr struct {
		pos
		first expr
		ops   []string
		rest  []expr
	}
	condExpr struct {
		pos
		test, then, els expr // els may be nil
	}
)

// callArgs are the arguments of a call, filter or test.
type callArgs struct {
	pos      []expr
	names    []string
	named    []expr
	star     expr // *args
	starStar expr // **kwargs
}

func (a *callArgs) empty() bool {
	return len(a.pos) == 0 && len(a.names) == 0 && a.star == nil && a.starStar == nil
}

// target is what {% set %}, {% for %} and {% with %} assign to.
type target struct {
	pos
	name  string   // a name,
	attr  string   // or an attribute of a namespace,
	parts []target // or several targets
}

type (
	textStmt   string
	outputStmt struct{ x expr }
	printStmt  []stmt // {% print a, b %}
	ifStmt     struct {
		tests  []expr
		bodies [][]stmt
		els    []stmt
	}
	forStmt struct {
		pos
		target    target
		iter      expr
		test      expr
		recursive bool
		usesLoop  bool
		body, els []stmt
	}
	setStmt struct {
		target target
		x      expr
	}
	setBlockStmt struct {
		target target
		filter expr // applied to a blockExpr; nil: the text as it is
		body   []stmt
	}
	withStmt struct {
		targets []target
		vals    []expr
		body    []stmt
	}
	filterStmt struct {
		filter expr
		body   []stmt
	}
	macroStmt struct {
		pos
		macro macroDef
	}
	callStmt struct {
		pos
		call   *callExpr
		caller macroDef
	}
	// scopeStmt is {% block %} and {% autoescape %}: a body with names of its own.
	scopeStmt struct{ body []stmt }
)

// macroDef is what is known of a macro when the template is compiled.
type macroDef struct {
	name     string
	params   []string
	defaults []expr // of the last parameters
	body     []stmt
	varargs  bool // the body uses varargs
	kwargs   bool // the body uses kwargs
	caller   bool // the body uses caller
}
