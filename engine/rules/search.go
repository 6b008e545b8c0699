package rules

import (
	"context"
	"errors"
	"fmt"

	"petrel/engine/expression/value"
)

// searchSpelledOddly is what `Search` or `SEARCH` run into: operators are found in any letter case, but only the exact `search` works.
func searchSpelledOddly(any) test {
	return failing(errors.New("search must be written in lower case"))
}

func isCondition(name string) bool {
	return name == "any" || name == "all" || name == "any2any" || name == "all2any"
}

// search applies child criteria to each item of a list. An object counts as a list of one, a text as its characters. All children of all items
// are tested, so that every one that cannot be tested is reported.
func (e *evaluation) search(ctx context.Context, c *criterion, pattern, found any) (bool, [][]Criterion, error) {
	if d, ok := found.(*value.Dict); ok {
		found = value.NewList(d)
	}
	if !isCondition(c.condition) {
		return false, nil, fmt.Errorf("the condition %s is not known; it must be any, all, any2any or all2any", c.condition)
	}
	anyItem := c.condition == "any" || c.condition == "any2any"
	anyChild := c.condition == "any2any" || c.condition == "all2any"
	items, err := value.Iterate(found)
	if err != nil {
		return false, nil, fmt.Errorf("%s cannot be searched, only a list, an object or a text", describe(found))
	}
	children, childErr := c.children, c.childErr
	if !c.static {
		children, childErr = compileChildren(pattern)
	}
	holds := !anyItem
	var explained [][]Criterion
	for item := range items {
		if childErr != nil {
			return false, explained, childErr
		}
		itemHolds, tested, err := e.searchItem(ctx, children, item, anyChild)
		if e.explain {
			explained = append(explained, tested)
		}
		if err != nil {
			return false, explained, err
		}
		if anyItem {
			holds = holds || itemHolds
		} else {
			holds = holds && itemHolds
		}
	}
	return holds, explained, nil
}

// searchItem tests the children on one item.
func (e *evaluation) searchItem(ctx context.Context, children []criterion, item any, anyChild bool) (bool, []Criterion, error) {
	s := e.newScope("item", item)
	holds := !anyChild
	var tested []Criterion
	for i := range children {
		child, err := e.test(ctx, &children[i], s)
		if err != nil {
			return false, tested, err
		}
		if e.explain {
			tested = append(tested, child)
		}
		if anyChild {
			holds = holds || child.Holds
		} else {
			holds = holds && child.Holds
		}
	}
	return holds, tested, nil
}
