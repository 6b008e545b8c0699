package yaql

import (
	"strconv"

	"petrel/engine/expression/pyregex"
	"petrel/engine/expression/value"
)

func regexLibrary(l *library) {
	l.function("regex", "pattern:str, ignoreCase:bool=false, multiLine:bool=false, dotAll:bool=false", func(s *scope, a []any) (any, error) {
		var flags pyregex.Flags
		for i, f := range []pyregex.Flags{pyregex.IgnoreCase, pyregex.MultiLine, pyregex.DotAll} {
			if a[i+1] == true {
				flags |= f
			}
		}
		re, err := s.run.env.Patterns.Compile(a[0].(string), flags)
		return &regex{re}, err
	})
	l.method("matches", "regexp:regex, string:str", func(s *scope, a []any) (any, error) { return s.run.matches("=~", a[1], a[0]) })
	l.method("matches", "string:str, regexp:str", func(s *scope, a []any) (any, error) { return s.run.matches("=~", a[0], a[1]) })
	l.function("escapeRegex", "string:str", func(s *scope, a []any) (any, error) { return pyregex.Escape(a[0].(string)), nil })
	l.method("search", "regexp:regex, string:str, selector:fn=null", func(s *scope, a []any) (any, error) {
		m, err := a[0].(*regex).Search(a[1].(string))
		if err != nil || m == nil {
			return nil, err
		}
		return selectMatch(m, fn(a[2]))
	})
	l.method("searchAll", "regexp:regex, string:str, selector:fn=null", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			found, err := a[0].(*regex).FindAll(a[1].(string), 0)
			if err != nil {
				return err
			}
			for _, m := range found {
				v, err := selectMatch(m, fn(a[2]))
				if err == nil {
					err = yield(v)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}), nil
	})
	// Each of the others is a method of the regex and, with the arguments the other way round, of the text.
	either := func(name, more string, run func(s *scope, re *regex, text string, a []any) (any, error)) {
		l.method(name, "regexp:regex, string:str, "+more, func(s *scope, a []any) (any, error) {
			return run(s, a[0].(*regex), a[1].(string), a[2:])
		})
		l.method(name, "string:str, regexp:regex, "+more, func(s *scope, a []any) (any, error) {
			return run(s, a[1].(*regex), a[0].(string), a[2:])
		})
	}
	either("split", "maxSplit:int=0", func(s *scope, re *regex, text string, a []any) (any, error) {
		parts, err := re.Split(text, whole(a[0]))
		items := make([]any, len(parts))
		for i, p := range parts {
			if p.Matched {
				items[i] = p.Text
			}
		}
		if err != nil {
			return nil, err
		}
		return s.run.list(items)
	})
	either("replace", "repl:str, count:int=0", func(s *scope, re *regex, text string, a []any) (any, error) {
		return s.run.text(re.Replace(text, a[0].(string), whole(a[1])))
	})
	either("replaceBy", "repl:fn, count:int=0", func(s *scope, re *regex, text string, a []any) (any, error) {
		return s.run.text(re.ReplaceFunc(text, func(m *pyregex.Match) (string, error) {
			v, err := selectMatch(m, fn(a[0]))
			if err != nil {
				return "", err
			}
			t, ok := v.(string)
			if !ok {
				return "", fail(Failed, "replaceBy() needs a text for every match, not %s", describe(v)).hint("use str()")
			}
			return t, s.run.charge(len(t))
		}, whole(a[1])))
	})
}

// selectMatch gives the text of a match, or what a selector makes of it: $ is the match
// as {value, start, end}, $2, $3 ... are its groups, $name the named ones.
func selectMatch(m *pyregex.Match, selector *lambda) (any, error) {
	if selector == nil {
		return m.Text(), nil
	}
	args := make([]any, len(m.Groups))
	named := make(map[string]any)
	for i, g := range m.Groups {
		args[i] = group(g)
	}
	for name := range m.NamedGroups() {
		if _, err := strconv.Atoi(name); err == nil {
			continue
		}
		if g, ok := m.Named(name); ok {
			named[name] = group(g)
		}
	}
	return selector.applyNamed(args, named)
}

func group(g pyregex.Group) any {
	d := value.NewDict(3)
	var text any
	if g.Matched {
		text = g.Text
	}
	d.SetString("value", text)
	d.SetString("start", int64(g.Start))
	d.SetString("end", int64(g.End))
	return d
}
