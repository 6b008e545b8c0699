package workflow

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

func TestDrawings(t *testing.T) {
	d, err := Parse("", []byte(`
tasks:
  a: {action: x.a, next: [{when: <% succeeded() %>, do: "b, c"}, {when: '<% ctx("n") > 1 %>', do: fail}]}
  b: {action: x.b, with: "<% [1] %>", next: [{do: j}]}
  c: {action: x.c, retry: {count: 2}, next: [{do: j}]}
  j: {join: all}
`))
	if err != nil {
		t.Fatal(err)
	}
	g, err := d.Graph()
	if err != nil {
		t.Fatal(err)
	}
	statuses := func(task string) Status { return map[string]Status{"a": "succeeded", "b": "running"}[task] }
	tree := `a [succeeded]  x.a
├─ succeeded → b [running]  x.b, with <% [1] %>
│  └─ always → j  join all
├─ succeeded → c  x.c, retry 2
│  └─ always → j (above)
└─ <% ctx("n") > 1 %> → fail
`
	if got := g.Tree(statuses); got != tree {
		t.Errorf("got\n%s\nwant\n%s", got, tree)
	}
	mermaid := `flowchart TD
  n0["a<br/>x.a"]
  n1["b<br/>x.b<br/>with #lt;% [1] %#gt;"]
  n2["c<br/>x.c<br/>retry 2"]
  n3(["fail"])
  n4{{"j<br/>join all"}}
  n0 -->|"succeeded"| n1
  n0 -->|"succeeded"| n2
  n0 -->|"#lt;% ctx(#quot;n#quot;) #gt; 1 %#gt;"| n3
  n1 --> n4
  n2 --> n4
`
	if got := g.Mermaid(nil); got != mermaid {
		t.Errorf("got\n%s\nwant\n%s", got, mermaid)
	}
}

// The picture is well-formed and has a box for every task, also of a loop.
func TestSVG(t *testing.T) {
	d, err := Parse("", []byte(`
tasks:
  a: {next: [{do: b}]}
  b: {action: x.b, next: [{when: '<% ctx("n") > 1 %>', do: b}, {when: <% failed() %>, do: [c, fail]}]}
  c: {join: all, next: [{do: b}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	g, err := d.Graph()
	if err != nil {
		t.Fatal(err)
	}
	got := g.SVG(func(task string) Status { return map[string]Status{"a": "succeeded", "b": "paused"}[task] })
	dec := xml.NewDecoder(strings.NewReader(got))
	boxes := 0
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			boxes++
		}
	}
	if boxes != 4 || !strings.Contains(got, "b · paused") || !strings.Contains(got, "#2e7d32") {
		t.Errorf("%d boxes\n%s", boxes, got)
	}
}
